/** Small rungs of a fast source, which have one picture in two. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Layer, Stream } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as Probe from "../../../src/adapters/ffmpeg/Probe.ts"
import * as FfmpegTranscoder from "../../../src/adapters/ffmpeg/Transcoder.ts"
import * as Inspector from "../../../src/adapters/mp4/Inspector.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"
import { Sha256 } from "../../../src/domain/ids.ts"
import { accept } from "../../../src/domain/jobs/Acceptance.ts"
import type { RegisteredFile } from "../../../src/domain/media/Segment.ts"
import { type TranscodePlan, wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import { MediaProbe } from "../../../src/domain/ports/MediaProbe.ts"
import { SegmentInspector } from "../../../src/domain/ports/SegmentInspector.ts"
import { Transcoder } from "../../../src/domain/ports/Transcoder.ts"
import { ffmpegWith, lights, packetsOf } from "../../support/media.ts"

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-half-rate-"))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const encoder = { name: "libx264", codec: "h264", backend: "software", device: null } as const

const adapters = Layer.mergeAll(
  Probe.layer,
  Inspector.layer,
  FfmpegTranscoder.layer({ stallAfter: Duration.minutes(1), nvencSessions: null })
).pipe(Layer.provideMerge(Subprocess.layer))

const make = Effect.fnUntraced(function* (plan: TranscodePlan, source: string, out: string) {
  const transcoder = yield* Transcoder
  const inspector = yield* SegmentInspector
  const events = yield* Stream.runCollect(transcoder.transcode({ plan, source, folder: out }))
  const files = yield* Effect.forEach(
    events.flatMap((event) => (event._tag === "FileReady" ? [event] : [])),
    ({ name, path, rendition }) =>
      Effect.map(inspector.inspect({ name, path }), (facts): RegisteredFile => ({
        rendition,
        name,
        bytes: 1,
        sha256: Sha256.make("0".repeat(64)),
        facts
      }))
  )
  const frames = Math.max(...events.map((event) => (event._tag === "Advanced" ? event.frames : 0)))
  return { files, frames }
})

/** A rendition as one file. */
const joined = async (out: string, { files }: { readonly files: ReadonlyArray<RegisteredFile> }, rendition: string) => {
  const names = files.filter((file) => file.rendition === rendition).map(({ name }) => name)
  const path = join(out, `${rendition}.mp4`)
  const ordered = ["init.mp4", ...names.filter((name) => name !== "init.mp4").toSorted()]
  await writeFile(path, Buffer.concat(await Promise.all(ordered.map((name) => readFile(join(out, rendition, name))))))
  return path
}

layer(adapters, { excludeTestServices: true, timeout: "60 seconds" })("a small rung of a fast source", (it) => {
  it.effect(
    "has the first of each two pictures, at its time, in the same segments, and ends with one that has no second",
    () =>
      Effect.gen(function* () {
        const source = join(folder, "fast.mp4")
        const film = "color=s=160x90:r=60000/1001,trim=end_frame=301,geq=lum='40+mod(N*37,160)':cb=128:cr=128"
        yield* Effect.promise(() =>
          ffmpegWith(`-f lavfi -i ${film} -vf scale=854:480 -c:v libx264 -preset ultrafast`, source)
        )
        const plan = wholeSource(yield* (yield* MediaProbe).probe(source), { encoder })
        const out = join(folder, "out")
        const made = yield* make(plan, source, out)
        const { video } = yield* Effect.fromResult(accept(plan, made.files))
        assert.deepStrictEqual(
          video.map(({ frameRate, name, segments }) => [name, frameRate, segments.length]),
          [
            ["480p", { numerator: 60000, denominator: 1001 }, 2],
            ["360p", { numerator: 30000, denominator: 1001 }, 2]
          ]
        )
        yield* Effect.promise(async () => {
          const [all, half] = [await joined(out, made, "480p"), await joined(out, made, "360p")]
          const [times, halfTimes] = [await packetsOf(all, "v"), await packetsOf(half, "v")].map((packets) =>
            packets.map(({ time }) => time).toSorted((a, b) => a - b)
          )
          assert.strictEqual(times!.length, 301)
          assert.strictEqual(halfTimes!.length, 151)
          halfTimes!.forEach((time, frame) => assert.approximately(time, times![2 * frame]!, 0.0005, `frame ${frame}`))
          const [light, halfLight] = [await lights(all), await lights(half)]
          halfLight.forEach((value, frame) => assert.approximately(value, light[2 * frame]!, 4, `frame ${frame}`))
        })

        // Where a driver grants few sessions, it is made by an ffmpeg of its own.
        const alone = { ...plan, video: plan.video.slice(1) }
        const apart = yield* make(alone, source, join(folder, "alone"))
        yield* Effect.fromResult(accept(alone, apart.files))
        assert.approximately(apart.frames, plan.frames, 1)
      }),
    { timeout: 60_000 }
  )
})
