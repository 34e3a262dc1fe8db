/** An encode that goes on in the middle gives the parts that one from the beginning gives. */
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
import { framesOf, wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import { MediaProbe } from "../../../src/domain/ports/MediaProbe.ts"
import { SegmentInspector } from "../../../src/domain/ports/SegmentInspector.ts"
import { Transcoder } from "../../../src/domain/ports/Transcoder.ts"
import { ffmpeg, lights, watch } from "../../support/media.ts"

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-resume-"))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** Small pictures, each of another light than its neighbours: a doubled or lost one shows. */
const film = (rate: string, frames: number) => [
  "-f",
  "lavfi",
  "-i",
  `color=s=160x90:r=${rate},trim=end_frame=${frames},geq=lum='40+mod(N*37,160)':cb=128:cr=128`,
  "-f",
  "lavfi",
  "-i",
  "sine=f=440:r=48000:d=14",
  "-shortest"
]

const x264 = "-c:v libx264 -preset ultrafast -bf 2 -c:a aac".split(" ")

/** With how it is made, and whether ffmpeg may look for the place by the index. */
const kinds: Readonly<Record<string, { readonly name: string; readonly args: ReadonlyArray<string> }>> = {
  "MP4 with rare keyframes": { name: "plain.mp4", args: [...film("30", 400), ...x264, "-g", "250"] },
  "Matroska of 29.97, in milliseconds, that starts late": {
    name: "late.mkv",
    args: [...film("30000/1001", 400), ...x264, "-g", "60", "-output_ts_offset", "0.421"]
  },
  "MP4 of a variable rate": {
    name: "variable.mp4",
    args: [
      ...film("30", 400),
      ...x264,
      "-g",
      "45",
      "-vf",
      "select='not(eq(mod(n,7),3))+between(n,0,9)'",
      "-fps_mode",
      "vfr"
    ]
  },
  "60 frames a second, of which a small rung has half": {
    name: "fast.mp4",
    args: [...film("60", 600), "-vf", "scale=854:480", ...x264, "-g", "250"]
  },
  "sound that begins before the pictures": {
    name: "early-sound.mkv",
    args: [...film("25", 340), ...x264, "-g", "50", "-vf", "setpts=PTS+0.8/TB"]
  },
  "pictures that begin after the place to go on at": {
    name: "late-pictures.mkv",
    args: [...film("25", 340), ...x264, "-g", "50", "-vf", "setpts=PTS+9/TB"]
  },
  "a transport stream, which has no index": { name: "stream.ts", args: [...film("25", 340), ...x264, "-g", "50"] }
}

const adapters = Layer.mergeAll(
  Probe.layer,
  Inspector.layer,
  FfmpegTranscoder.layer({ stallAfter: Duration.minutes(1), nvencSessions: null })
).pipe(Layer.provideMerge(Subprocess.layer))

layer(adapters, { excludeTestServices: true, timeout: "60 seconds" })("an encode that goes on", (it) => {
  for (const [kind, { args, name }] of Object.entries(kinds)) {
    it.effect(
      `has the boundaries, the pictures and the init segment of a whole one: ${kind}`,
      () =>
        Effect.gen(function* () {
          const source = join(folder, name)
          yield* Effect.promise(() => ffmpeg([...args, source]))
          const transcoder = yield* Transcoder
          const inspector = yield* SegmentInspector
          const encoder = { name: "libx264", codec: "h264", backend: "software", device: null } as const
          const plan = wholeSource(yield* (yield* MediaProbe).probe(source), { encoder })
          const run = Effect.fnUntraced(function* (made: number) {
            const out = join(folder, `${name}-${made}`)
            const events = yield* Stream.runCollect(
              transcoder.transcode({ plan, source, folder: out, madeSegments: made })
            )
            const files = yield* Effect.forEach(
              events.flatMap((event) => (event._tag === "FileReady" ? [event] : [])),
              (file) =>
                Effect.map(
                  Effect.all([inspector.inspect(file), Effect.promise(() => readFile(file.path))]),
                  ([facts, bytes]) => ({ path: `${file.rendition}/${file.name}`, facts, bytes })
                )
            )
            return {
              files: new Map(files.map((file) => [file.path, file])),
              frames: Math.max(...events.map((event) => (event._tag === "Advanced" ? event.frames : 0)))
            }
          })
          const whole = yield* run(0)
          const rest = yield* run(2)
          assert.strictEqual(rest.frames, plan.frames)
          assert.deepStrictEqual(
            [...rest.files.keys()].toSorted(),
            [...whole.files.keys()].filter((path) => !/^\d+p\/seg_0000[01]/.test(path)).toSorted()
          )
          for (const [path, { bytes, facts }] of rest.files) {
            assert.deepStrictEqual(facts, whole.files.get(path)?.facts, path)
            if (path.endsWith("init.mp4")) assert.isTrue(bytes.equals(whole.files.get(path)!.bytes), path)
          }
          for (const rendition of plan.video) {
            const all = [...whole.files].filter(([path]) => path.startsWith(`${rendition.name}/`))
            const joined = all.map(([path, made]) => (rest.files.get(path) ?? made).bytes)
            const [one, two] = [join(folder, "one.mp4"), join(folder, "two.mp4")]
            yield* Effect.promise(async () => {
              await writeFile(one, Buffer.concat(all.map(([, { bytes }]) => bytes)))
              await writeFile(two, Buffer.concat(joined))
              const seen = await watch(two)
              assert.strictEqual(seen.complaints, "")
              assert.strictEqual(seen.frames, framesOf(plan, rendition))
              const [expected, found] = [await lights(one), await lights(two)]
              found.forEach((light, frame) => assert.approximately(light, expected[frame]!, 4, `frame ${frame}`))
            })
          }
        }),
      { timeout: 60_000 }
    )
  }
})
