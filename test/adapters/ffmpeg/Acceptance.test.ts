/** What is not accepted, although the ffmpeg that made it ended well: real outputs, damaged in every way that was seen. */
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises"
import { createHash } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Layer, Result, Stream } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as Probe from "../../../src/adapters/ffmpeg/Probe.ts"
import * as FfmpegTranscoder from "../../../src/adapters/ffmpeg/Transcoder.ts"
import * as Inspector from "../../../src/adapters/mp4/Inspector.ts"
import { findOnPath } from "../../../src/adapters/process/programs.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"
import { Sha256 } from "../../../src/domain/ids.ts"
import { accept } from "../../../src/domain/jobs/Acceptance.ts"
import type { Encoder } from "../../../src/domain/media/Encoder.ts"
import { RenditionName } from "../../../src/domain/media/Rendition.ts"
import type { RegisteredFile } from "../../../src/domain/media/Segment.ts"
import { renditionNames, type TranscodePlan, wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import { MediaProbe } from "../../../src/domain/ports/MediaProbe.ts"
import { SegmentInspector } from "../../../src/domain/ports/SegmentInspector.ts"
import { type TranscodeEvent, Transcoder } from "../../../src/domain/ports/Transcoder.ts"
import { program, programsIn } from "../../support/drivers.ts"
import { ffmpeg, ffmpegWith } from "../../support/media.ts"

let folder: string
const at = (name: string) => join(folder, name)

/** Five seconds of 25 pictures: a whole segment and a short one. */
const film = "-f lavfi -i testsrc2=s=160x90:r=25:d=5 -f lavfi -i sine=r=48000:d=5"
const options = "-c:v libx264 -preset ultrafast -bf 2 -g 50 -c:a aac -movflags +faststart"

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-acceptance-"))
  await ffmpegWith(`${film} ${options}`, at("film.mp4"))
  await ffmpegWith("-i", at("film.mp4"), "-c", "copy", "-an", at("silent.mp4"))
  await ffmpegWith("-i", at("film.mp4"), "-c", "copy", at("film.mkv"))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const libx264: Encoder = { name: "libx264", codec: "h264", backend: "software", device: null }

const planOf = Effect.fnUntraced(function* (source: string) {
  const plan = wholeSource(yield* (yield* MediaProbe).probe(source), { encoder: libx264 })
  const [top] = plan.video
  const small = { ...top!, name: RenditionName.make("54p"), width: 96, height: 54 }
  return { ...plan, video: [top!, small] } satisfies TranscodePlan
})

const encode = Effect.fnUntraced(function* (plan: TranscodePlan, source: string, to: string) {
  return yield* Stream.runCollect((yield* Transcoder).transcode({ plan, source, folder: at(to) }))
})

const namesOf = (events: ReadonlyArray<TranscodeEvent>) =>
  events.flatMap((event) => (event._tag === "FileReady" ? [`${event.rendition}/${event.name}`] : []))

/** What is there is looked into as when it is sent, and judged. */
const judge = Effect.fnUntraced(function* (plan: TranscodePlan, output: string, names: ReadonlyArray<string>) {
  const inspector = yield* SegmentInspector
  const files = yield* Effect.forEach(
    names,
    Effect.fnUntraced(function* (file) {
      const [rendition = "", name = ""] = file.split("/")
      const path = at(join(output, file))
      const bytes = yield* Effect.promise(() => readFile(path))
      const sha256 = Sha256.make(createHash("sha256").update(bytes).digest("hex"))
      const facts = yield* inspector.inspect({ name, path })
      return {
        rendition: RenditionName.make(rendition),
        name,
        bytes: bytes.length,
        sha256,
        facts
      } satisfies RegisteredFile
    })
  )
  return yield* Effect.fromResult(accept(plan, files))
})

/** How a good output is spoilt. Gives the names that are left of it. */
type Damage = (output: string, names: ReadonlyArray<string>) => Promise<ReadonlyArray<string> | void>

const second = "90p/seg_00001.m4s"

/** The boxes of a file without those of one kind. */
const without = (bytes: Buffer, kind: string): Buffer => {
  const kept: Array<Buffer> = []
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at)) {
    const box = bytes.subarray(at, at + bytes.readUInt32BE(at))
    if (box.toString("latin1", 4, 8) !== kind) kept.push(box)
  }
  return Buffer.concat(kept)
}

const damages: ReadonlyArray<readonly [what: string, damage: Damage, problem: RegExp]> = [
  [
    // As a full disk leaves it, without a word on stderr.
    "a segment without a byte in it",
    (output) => truncate(join(output, second), 0),
    /seg_00001.m4s is not what its name says: it has no boxes/
  ],
  [
    "a segment that ends early",
    async (output) => truncate(join(output, second), Math.floor((await readFile(join(output, second))).length * 0.6)),
    /it was cut short/
  ],
  [
    "a segment with the index of its pictures and none of them",
    async (output) => writeFile(join(output, second), without(await readFile(join(output, second)), "mdat")),
    /it has no media data/
  ],
  [
    "a segment with pictures and no index of them",
    async (output) => writeFile(join(output, second), without(await readFile(join(output, second)), "moof")),
    /it has no samples with a time/
  ],
  [
    "a segment in the place of another",
    (output) => cp(join(output, "90p/seg_00000.m4s"), join(output, second)),
    /90p\/seg_00001.m4s starts at 0.000 s, not at 4.000 s/
  ],
  ["a lost segment", async (_, names) => names.filter((name) => name !== second), /90p has 100 frames instead of 125/],
  [
    "a lost segment of sound",
    async (_, names) => names.filter((name) => name !== "audio-0/seg_00001.m4s"),
    /audio-0 lasts 4.\d\d s, but the source lasts 5.00 s/
  ],
  ["a lost sound track", async (_, names) => names.filter((name) => !name.startsWith("audio")), /audio-0 is missing/],
  ["a lost rendition", async (_, names) => names.filter((name) => !name.startsWith("54p")), /54p is missing/],
  [
    "the init segment of another size",
    (output) => cp(join(output, "54p/init.mp4"), join(output, "90p/init.mp4")),
    /90p is 96x54 instead of 160x90/
  ],
  ["a lost init segment", async (_, names) => names.filter((name) => name !== "54p/init.mp4"), /54p has no init.mp4/],
  [
    // What ffmpeg makes where no keyframe is forced and it is told to cut all the same.
    "a segment that no player can start at",
    async (output) => {
      const cutAnywhere = "-hls_time 4 -hls_list_size 0 -hls_segment_type fmp4 -hls_flags split_by_time -f hls"
      await ffmpeg([
        "-i",
        at("film.mp4"),
        ..."-an -c:v libx264 -preset ultrafast -g 1000 -sc_threshold 0 -hls_fmp4_init_filename init.mp4".split(" "),
        ...cutAnywhere.split(" "),
        "-hls_segment_filename",
        join(output, "90p/seg_%05d.m4s"),
        join(output, "90p/list.m3u8")
      ])
    },
    /90p\/seg_00001.m4s does not start with a keyframe/
  ]
]

const adapters = Layer.mergeAll(
  Probe.layer,
  Inspector.layer,
  FfmpegTranscoder.layer({ stallAfter: Duration.minutes(1) })
).pipe(Layer.provideMerge(Subprocess.layer))

layer(adapters, { excludeTestServices: true, timeout: "60 seconds" })("an output", (it) => {
  it.effect(
    "is accepted where it is whole, and not with any damage",
    () =>
      Effect.gen(function* () {
        const plan = yield* planOf(at("film.mp4"))
        const names = namesOf(yield* encode(plan, at("film.mp4"), "whole"))
        const { audio, video } = yield* judge(plan, "whole", names)
        assert.deepStrictEqual([...video, ...audio].map(({ name }) => name).toSorted(), renditionNames(plan).toSorted())
        for (const [what, damage, problem] of damages) {
          const left = yield* Effect.promise(async () => {
            await cp(at("whole"), at("spoilt"), { recursive: true })
            return (await damage(at("spoilt"), names)) ?? names
          })
          const judged = yield* Effect.result(judge(plan, "spoilt", left))
          assert.match(Result.isFailure(judged) ? judged.failure.message : "accepted", problem, what)
        }

        // The same files, and a plan that wanted something else.
        const other = { ...plan, encoder: { ...libx264, codec: "hevc" as const } }
        assert.match((yield* Effect.flip(judge(other, "whole", names))).message, /90p is in avc1\.\S+ instead of hevc/)
        const finer = { ...plan, grid: { ...plan.grid, framesPerSegment: 50 } }
        assert.match((yield* Effect.flip(judge(finer, "whole", names))).message, /starts at 4.000 s, not at 2.000 s/)
        const longer = { ...plan, frames: 127 }
        assert.match((yield* Effect.flip(judge(longer, "whole", names))).message, /90p has 125 frames instead of 127/)
      }),
    { timeout: 60_000 }
  )

  /** What a transcoder says of a source that is not what the plan was made of. */
  const outcome = (plan: TranscodePlan, source: string) => Effect.result(encode(plan, source, "damaged"))
  const damaged = Effect.fnUntraced(function* (name: string, spoil: (bytes: Buffer) => Buffer) {
    const bytes = yield* Effect.promise(() => readFile(at(name)))
    yield* Effect.promise(() => writeFile(at(`damaged-${name}`), spoil(Buffer.from(bytes))))
    return at(`damaged-${name}`)
  })
  const shortened = (bytes: Buffer) => bytes.subarray(0, bytes.length * 0.6)
  const flipped = (times: number) => (bytes: Buffer) => {
    for (let n = 0; n < times; n += 1) {
      const place = Math.floor(bytes.length / 2 + (((n * 7919) % 1000) / 1000) * (bytes.length / 2))
      bytes[place]! ^= 1 << (n % 8)
    }
    return bytes
  }

  it.effect(
    "of a source that could not be read is the source's fault, though ffmpeg ends with 0",
    () =>
      Effect.gen(function* () {
        const plan = yield* planOf(at("film.mp4"))
        for (const [name, spoil, said] of [
          ["film.mp4", shortened, "partial file"],
          ["film.mkv", shortened, "File ended prematurely"],
          ["film.mp4", flipped(400), "corrupt decoded frame"]
        ] as const) {
          const error = yield* Effect.flip(encode(plan, yield* damaged(name, spoil), "damaged"))
          assert.strictEqual(error.reason, "source", said)
          assert.include(error.message, "The file is damaged")
          assert.include(error.details, said)
          assert.notInclude(error.message, folder)
        }
      }),
    { timeout: 60_000 }
  )

  it.effect("of a source with one bad place is made, and tells of it", () =>
    Effect.gen(function* () {
      // On a busy machine one of several threads may mark a picture as bad when ffmpeg has looked at it already.
      const plan = { ...(yield* planOf(at("film.mp4"))), threads: 1 }
      const events = yield* encode(plan, yield* damaged("film.mp4", flipped(2)), "scratched")
      yield* judge(plan, "scratched", namesOf(events))
      const [told] = events.filter((event) => event._tag === "Damaged")
      assert.deepInclude(told, { first: "corrupt decoded frame" })
    })
  )

  /** With an ffmpeg that a script stands before: `ffmpeg` in it is the real one. */
  const behind = Effect.fnUntraced(function* (script: string, name: string) {
    const plan = yield* planOf(at(name))
    const real = yield* Effect.promise(() => findOnPath("ffmpeg"))
    const bin = at("bin")
    yield* program(join(bin, "ffmpeg"), `#!/bin/sh\n${script.replace("ffmpeg", real ?? "")}\n`)
    const transcoder = FfmpegTranscoder.layer({ stallAfter: Duration.minutes(1) }).pipe(Layer.provide(programsIn(bin)))
    return { plan, ended: yield* Effect.provide(outcome(plan, at(name)), transcoder) }
  })

  it.effect("of an ffmpeg that was told to end is not taken for the whole, whatever its playlist says", () =>
    Effect.gen(function* () {
      const output = at("damaged/90p")
      yield* Effect.promise(() => rm(output, { recursive: true, force: true }))
      const onceItWrites = `ffmpeg -re "$@" & child=$!
        while kill -0 $child && [ -z "$(ls ${output})" ]; do sleep 0.05; done
        kill -TERM $child; wait $child`
      const { ended } = yield* behind(onceItWrites, "film.mp4")
      assert.isTrue(Result.isFailure(ended))
      const list = yield* Effect.promise(() => readFile(at("damaged/90p/list.m3u8"), "utf8"))
      assert.include(list, "#EXT-X-ENDLIST")
    })
  )

  it.effect("of an ffmpeg that ends early without an error is not taken for the whole", () =>
    Effect.gen(function* () {
      const silent = yield* behind('exec ffmpeg -t 2 "$@"', "silent.mp4")
      const message = Result.isFailure(silent.ended) ? silent.ended.failure.message : "accepted"
      assert.match(message, /ffmpeg ended without an error at [12]\.\d\d s, but the film lasts 5.00 s/)
      // With sound, which is filled up to the end, version 5 is content, and the pictures tell.
      const { ended, plan } = yield* behind('exec ffmpeg -t 2 "$@"', "film.mp4")
      const error = Result.isFailure(ended)
        ? ended.failure
        : yield* Effect.flip(judge(plan, "damaged", namesOf(ended.success)))
      assert.match(error.message, /90p has 50 frames instead of 125|ended without an error at [12]\.\d\d s/)
    })
  )
})
