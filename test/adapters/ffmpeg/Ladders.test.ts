import { afterAll, assert, beforeAll, describe, it, layer } from "@effect/vitest"
import { Duration, Effect, Layer, Result, Stream } from "effect"
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Probe from "../../../src/adapters/ffmpeg/Probe.ts"
import { sampleVideoArguments } from "../../../src/adapters/ffmpeg/SampleVideo.ts"
import * as FfmpegTranscoder from "../../../src/adapters/ffmpeg/Transcoder.ts"
import * as SegmentInspector from "../../../src/adapters/mp4/Inspector.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"
import { Sha256 } from "../../../src/domain/ids.ts"
import { assemble } from "../../../src/domain/jobs/Completion.ts"
import type { Encoder } from "../../../src/domain/media/Encoder.ts"
import { RenditionName } from "../../../src/domain/media/Rendition.ts"
import type { RegisteredFile } from "../../../src/domain/media/Segment.ts"
import type { TranscodePlan } from "../../../src/domain/media/TranscodePlan.ts"
import { wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import { MediaProbe } from "../../../src/domain/ports/MediaProbe.ts"
import { SegmentInspector as Inspector } from "../../../src/domain/ports/SegmentInspector.ts"
import { Transcoder } from "../../../src/domain/ports/Transcoder.ts"
import { source } from "../../domain/support/sources.ts"
import { type Answer, fakeMachine, programsIn } from "../../support/drivers.ts"
import { machines } from "./machines.ts"

let folder: string
let samples: Readonly<Record<"thirty" | "film", string>>

const shortFilm = "-y -f lavfi -i testsrc2=size=320x180:rate=24000/1001:duration=5 -c:v libx264 -preset ultrafast"

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-transcoder-"))
  samples = { thirty: join(folder, "thirty.mp4"), film: join(folder, "film.mp4") }
  const picture = { output: samples.thirty, seconds: 5, width: 320, height: 180, frameRate: 30 }
  await execute("ffmpeg", [...sampleVideoArguments(picture)])
  await execute("ffmpeg", [...shortFilm.split(" "), samples.film])
}, 120_000)

afterAll(() => rm(folder, { recursive: true, force: true }))

const execute = promisify(execFile)

/** Real rungs of a small picture: the ladder of the domain would have a single one. */
const smallLadder = (plan: TranscodePlan): TranscodePlan => ({
  ...plan,
  video: [
    [320, 180],
    [240, 136],
    [160, 90]
  ].map(([width = 0, height = 0]) => ({
    name: RenditionName.make(`${height}p`),
    width,
    height,
    maxBitrate: 400,
    frameStep: 1 as const
  }))
})

const sha256 = Sha256.make("0".repeat(64))

/** Every file that came out, looked into as the server would. */
const filesOf = Effect.fnUntraced(function* (plan: TranscodePlan, source: string, folder: string) {
  const transcoder = yield* Transcoder
  const inspector = yield* Inspector
  return yield* transcoder.transcode({ plan, source, folder }).pipe(
    Stream.filter((event) => event._tag === "FileReady"),
    Stream.mapEffect(({ name, path, rendition }) =>
      Effect.map(inspector.inspect({ name, path }), (facts): RegisteredFile => ({
        rendition,
        name,
        bytes: 1,
        sha256,
        facts
      }))
    ),
    Stream.runCollect
  )
})

const options = { stallAfter: Duration.seconds(60), nvencSessions: null }

const real = Layer.mergeAll(Probe.layer, FfmpegTranscoder.layer(options)).pipe(
  Layer.provide(Subprocess.layer),
  Layer.provideMerge(SegmentInspector.layer)
)

layer(real, { excludeTestServices: true, timeout: "60 seconds" })("real ladders", (it) => {
  const encoders: ReadonlyArray<Encoder> = [
    { name: "libx264", codec: "h264", backend: "software", device: null },
    { name: "libx265", codec: "hevc", backend: "software", device: null },
    { name: "libsvtav1", codec: "av1", backend: "software", device: null }
  ]

  const cases = [
    ...encoders.map((encoder) => ({ encoder, sample: "thirty", frames: 150, cut: [120, 30] }) as const),
    // 23.976 frames a second: a segment of four seconds is 96 frames.
    { encoder: encoders[0]!, sample: "film", frames: 120, cut: [96, 24] } as const
  ]

  for (const { cut, encoder, frames, sample } of cases) {
    it.effect(
      `of ${encoder.name} from ${frames} frames are whole, and cut at the same frames`,
      () =>
        Effect.gen(function* () {
          const source = yield* (yield* MediaProbe).probe(samples[sample])
          const plan = smallLadder(wholeSource(source, { encoder, threads: 2 }))
          assert.strictEqual(plan.frames, frames)
          const files = yield* filesOf(plan, samples[sample], join(folder, `${sample}-${encoder.name}`))
          const assembled = assemble(files, { duration: plan.duration, languages: {} })
          const presentation = Result.getOrThrowWith(assembled, (error) => error)
          assert.strictEqual(presentation.video.length, 3)
          for (const { name } of plan.video) {
            const segments = files.flatMap((file) =>
              file.rendition === name && file.facts._tag === "MediaSegment" ? [file.facts] : []
            )
            assert.deepStrictEqual(
              segments.map(({ samples }) => samples),
              [...cut]
            )
            assert.isTrue(segments.every(({ startsWithKeyframe }) => startsWithKeyframe))
          }
        }),
      60_000
    )
  }
})

describe("a transcoder on a machine of files", () => {
  const onMachine = (machine: keyof typeof machines, own: Partial<FfmpegTranscoder.TranscoderOptions>) =>
    Effect.gen(function* () {
      const { bin, root } = yield* fakeMachine(machines[machine])
      const context = yield* Layer.build(
        FfmpegTranscoder.layer({ ...options, ...own, root }).pipe(Layer.provide(programsIn(bin)))
      )
      const transcoder = yield* Effect.provide(Transcoder, context)
      return { bin, root, transcoder, found: yield* transcoder.detect }
    })

  it.live("tries an encoder again when asked", () =>
    Effect.gen(function* () {
      const { found, transcoder } = yield* onMachine("T4", {})
      const [works] = found.encoders
      const refused = found.refused.find(({ encoder }) => encoder.name === "av1_nvenc")
      yield* transcoder.tryOut(works!)
      const error = yield* Effect.flip(transcoder.tryOut(refused!.encoder))
      assert.strictEqual(error.reason, "device")
      assert.strictEqual(error.message, "Codec not supported")
    }).pipe(Effect.scoped)
  )

  const gpu: Encoder = { name: "h264_nvenc", codec: "h264", backend: "nvenc", device: "0", vendor: "nvidia" }

  it.live("uses no more sessions at once than VLOG_NVENC_MAX_SESSIONS", () =>
    Effect.gen(function* () {
      const { bin, transcoder } = yield* onMachine("T4", { nvencSessions: 2 })
      const plan = smallLadder(wholeSource(source(), { encoder: gpu }))
      yield* Stream.runDrain(transcoder.transcode({ plan, source: samples.thirty, folder: join(bin, "out") }))
      const calls = yield* Effect.promise(() => readFile(join(bin, "calls"), "utf8"))
      const jobs = calls.split("\n").filter((line) => line.includes("-progress"))
      assert.deepStrictEqual(
        jobs.map((line) => line.match(/-c:v h264_nvenc/g)?.length),
        [2, 1]
      )
    }).pipe(Effect.scoped)
  )

  it.live("learns from the driver how many sessions there are", () =>
    Effect.gen(function* () {
      // A GeForce of two sessions, or one on which others have taken all but two.
      const third = {
        when: ["-progress", "-c:v h264_nvenc", "-c:v h264_nvenc", "-c:v h264_nvenc"],
        stderr: "[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: out of memory (10): (no details)"
      }
      const { bin, root } = yield* fakeMachine({ ...machines.T4, answers: [third] })
      const context = yield* Layer.build(
        FfmpegTranscoder.layer({ ...options, root }).pipe(Layer.provide(programsIn(bin)))
      )
      const transcoder = yield* Effect.provide(Transcoder, context)
      const plan = smallLadder(wholeSource(source(), { encoder: gpu }))
      yield* Stream.runDrain(transcoder.transcode({ plan, source: samples.thirty, folder: join(bin, "out") }))
      const calls = yield* Effect.promise(() => readFile(join(bin, "calls"), "utf8"))
      assert.deepStrictEqual(
        calls.split("\n").flatMap((line) => line.match(/-c:v h264_nvenc/g)?.length ?? []),
        [3, 2, 1]
      )
    }).pipe(Effect.scoped)
  )

  const unlucky = (answer: Pick<Answer, "stderr" | "signal">, encoder = gpu) =>
    Effect.gen(function* () {
      const machine = { ...machines.T4, answers: [{ when: ["-progress"], ...answer }] }
      const { bin, root } = yield* fakeMachine(machine)
      const context = yield* Layer.build(
        FfmpegTranscoder.layer({ ...options, root }).pipe(Layer.provide(programsIn(bin)))
      )
      const transcoder = yield* Effect.provide(Transcoder, context)
      const whole = wholeSource(source(), { encoder })
      // A single rung: a ladder would be tried again in halves where sessions are what is missing.
      const plan = { ...whole, video: whole.video.slice(0, 1) }
      return yield* Effect.flip(
        Stream.runDrain(transcoder.transcode({ plan, source: samples.thirty, folder: join(bin, "out") }))
      )
    }).pipe(Effect.scoped)

  const ends = [
    // libavcodec/nvenc.c, where a GeForce has no session left.
    ["[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: out of memory (10): (no details)", "sessions"],
    // The same on drivers before 530.
    ["[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: incompatible client key (21): (no details)", "sessions"],
    // libavutil/hwcontext_cuda.c, where the GPU fell off its bus.
    [
      "[AVHWDeviceContext @ 0x1] cu->cuInit(0) failed -> CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected",
      "device"
    ],
    // libavcodec/vaapi_encode.c, where the picture is larger than the hardware takes.
    [
      "[h264_vaapi @ 0x1] Hardware does not support encoding at size 8192x8192 (constraints: width 32-4096 height 32-4096).",
      "unfit"
    ],
    // libavcodec/nvenc.c, nvenc_check_capabilities.
    ["[h264_nvenc @ 0x1] Width 7680 exceeds 4096", "unfit"],
    // libavcodec/qsvenc.c, from what MFXVideoENCODE_Query changed.
    ["[h264_qsv @ 0x1] Current pixel format is unsupported", "unfit"],
    ["something that nobody has heard of", "device"],
    ["av_interleaved_write_frame(): No space left on device", "resources"],
    ["/in/cat.mp4: Invalid data found when processing input", "source"]
  ] as const

  for (const [stderr, reason] of ends) {
    it.live(`takes for the fault of the ${reason}: ${stderr}`, () =>
      Effect.gen(function* () {
        const error = yield* unlucky({ stderr })
        assert.strictEqual(error.reason, reason)
        assert.include(error.message, stderr.replace(/^\[.*?\] /, ""))
      })
    )
  }

  it.live("takes a crash for the device's fault, and on the processor for nobody's", () =>
    Effect.gen(function* () {
      const crash = { stderr: "", signal: "SEGV" }
      assert.strictEqual((yield* unlucky(crash)).reason, "device")
      const software: Encoder = { name: "libx264", codec: "h264", backend: "software", device: null }
      assert.strictEqual((yield* unlucky(crash, software)).reason, "crashed")
    })
  )
})
