/** A device that works in its trial and fails at the job: by fake drivers, with the real ffmpeg for the processor. */
import { copyFile, mkdtemp, rm, unlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Logger, Metric, Ref, Tracer } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as Probe from "../../../src/adapters/ffmpeg/Probe.ts"
import * as FfmpegTranscoder from "../../../src/adapters/ffmpeg/Transcoder.ts"
import * as Inspector from "../../../src/adapters/mp4/Inspector.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"
import * as DiskWorkspace from "../../../src/adapters/storage/Workspace.ts"
import * as Progress from "../../../src/domain/jobs/Progress.ts"
import { describe as text } from "../../../src/domain/media/Encoder.ts"
import { policies } from "../../../src/domain/media/EncoderSelection.ts"
import type { AttemptReport } from "../../../src/domain/programs/AttemptReport.ts"
import { transcodeTask } from "../../../src/domain/programs/TranscodeTask.ts"
import { Encoders } from "../../../src/domain/workers/Encoders.ts"
import { encoderFailuresOf } from "../../../src/domain/workers/Metrics.ts"
import { claimedTask, makeWorker } from "../../domain/support/worker.ts"
import { type Answer, type FakeMachine, fakeMachine, programsIn } from "../../support/drivers.ts"
import { ffmpegWith } from "../../support/media.ts"
import { machines } from "./machines.ts"

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-fallback-"))
  await ffmpegWith("-f lavfi -i testsrc2=s=160x90:r=25:d=1 -c:v libx264 -preset ultrafast", join(folder, "film.mp4"))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** A worker on such a machine, an attempt of it at a task, and all that it tells. */
const workerOn = (machine: FakeMachine) =>
  Effect.gen(function* () {
    const { bin, root } = yield* fakeMachine({ ...machine, real: true })
    const api = makeWorker({
      api: { download: (_, path) => Effect.promise(() => copyFile(join(folder, "film.mp4"), path)) }
    })
    const transcoder = FfmpegTranscoder.layer({ stallAfter: Duration.minutes(1), root }).pipe(
      Layer.provide(programsIn(bin))
    )
    const machinery = Layer.mergeAll(
      Encoders.layer.pipe(Layer.provideMerge(transcoder)),
      Probe.layer.pipe(Layer.provide(Subprocess.layer)),
      Inspector.layer,
      DiskWorkspace.layer({ root: join(folder, "work"), keepFree: 0 })
    )
    // One after the other: both have the same layer of encoders, which is built but once at a time.
    const context = Context.merge(yield* Layer.build(api.layer), yield* Layer.build(machinery))
    const encoders = yield* Effect.provide(Encoders, context)
    yield* encoders.discover
    const logged: Array<string> = []
    const spans: Array<Tracer.Span> = []
    const logger = Logger.make<unknown, void>(({ message }) => void logged.push(JSON.stringify(message)))
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const attempt = Effect.gen(function* () {
      const notes = yield* Ref.make<ReadonlyArray<string>>([])
      yield* transcodeTask({
        task: claimedTask(),
        codec: "h264",
        policy: policies.auto,
        threads: null,
        drainFor: Duration.seconds(1),
        report: yield* Ref.make<AttemptReport>({ progress: Progress.none, facts: null }),
        notes
      })
      return yield* Ref.get(notes)
    }).pipe(Effect.provide(context), Effect.provide(Logger.layer([logger])), Effect.withTracer(tracer))
    return { api, attempt, encoders, logged, spans }
  })

/** Only while a job runs, and never in a trial. */
const atWork = (encoder: string, stderr: string): Answer => ({ when: ["-progress", `-c:v ${encoder} `], stderr })

const troubles = {
  "the device is lost": {
    machine: machines.T4,
    answer: atWork(
      "h264_nvenc",
      "[AVHWDeviceContext @ 0x1] cu->cuInit(0) failed -> CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected"
    ),
    problem: /CUDA_ERROR_NO_DEVICE/,
    name: "h264_nvenc",
    refused: true
  },
  "no session is left": {
    machine: machines.T4,
    answer: atWork("h264_nvenc", "[h264_nvenc @ 0x1] OpenEncodeSessionEx failed: out of memory (10): (no details)"),
    problem: /OpenEncodeSessionEx failed: out of memory/,
    name: "h264_nvenc",
    refused: false
  },
  "the pixel format is not one of its": {
    machine: machines["Arc A380"],
    answer: atWork("h264_qsv", "[h264_qsv @ 0x1] Current pixel format is unsupported"),
    problem: /Current pixel format is unsupported/,
    name: "h264_qsv",
    refused: false
  },
  "the picture is too large for it": {
    machine: machines["AMD with an older Mesa"],
    answer: atWork(
      "h264_vaapi",
      "[h264_vaapi @ 0x1] Hardware does not support encoding at size 8192x8192 (constraints: width 32-4096 height 32-4096)."
    ),
    problem: /Hardware does not support encoding at size/,
    name: "h264_vaapi",
    refused: false
  }
} as const

describe("at run time", () => {
  for (const [what, { answer, machine, name, problem, refused }] of Object.entries(troubles)) {
    it.live(`the next encoder is taken where ${what}, and history, log, metric and trace tell of it`, () =>
      Effect.gen(function* () {
        const answers = "answers" in machine ? [...machine.answers, answer] : [answer]
        const worker = yield* workerOn({ ...machine, answers, encoders: [name, "libx264"] })
        const before = (yield* worker.encoders.capabilities)?.encoders ?? []
        const first = before.find((encoder) => encoder.name === name)!
        const failures = (yield* Metric.value(encoderFailuresOf(first))).count
        const notes = yield* worker.attempt
        assert.match(notes[0] ?? "", problem)
        assert.include(notes[0], `${text(first)} failed`)
        assert.match(notes.at(-1) ?? "", /^Encoded with libx264 instead/)
        const [complete] = worker.api.called("complete")
        assert.deepInclude(complete?.argument, { notes })
        assert.isTrue(
          worker.logged.some((line) => line.includes("encoder failed, trying the next") && problem.test(line))
        )
        assert.isAbove((yield* Metric.value(encoderFailuresOf(first))).count, Number(failures))
        const encodes = worker.spans.filter((span) => span.name === "encode")
        const [failed] = encodes
        assert.isTrue(failed?.status._tag === "Ended" && failed.status.exit._tag === "Failure")
        assert.strictEqual(failed?.attributes.get("vlog.encoder.name"), name)
        assert.isAtLeast(encodes.length, 2)
        const after = (yield* worker.encoders.capabilities)?.encoders ?? []
        assert.strictEqual(
          after.some((encoder) => text(encoder) === text(first)),
          !refused
        )
      }).pipe(Effect.scoped)
    )
  }

  it.live("both of two GPUs work, and one that goes away is noticed while it rests, and when it is back", () =>
    Effect.gen(function* () {
      const gone = join(folder, "gone")
      const worker = yield* workerOn({
        ...machines["two L4"],
        encoders: ["h264_nvenc", "libx264"],
        answers: [{ ...atWork("h264_nvenc", "CUDA_ERROR_UNKNOWN"), when: ["cuda=gpu:1"], whileThere: gone }]
      })
      const devices = Effect.map(worker.encoders.chain({ codec: "h264", depth: 8 }, policies.auto), (chain) =>
        [...new Set(chain.map(({ device }) => device))].toSorted()
      )
      assert.deepStrictEqual(yield* devices, ["0", "1", null])
      yield* Effect.promise(() => writeFile(gone, ""))
      yield* worker.encoders.recheck
      assert.deepStrictEqual(yield* devices, ["0", null])
      const refused = (yield* worker.encoders.capabilities)?.refused ?? []
      assert.isTrue(refused.some(({ encoder, reason }) => encoder.device === "1" && reason === "CUDA_ERROR_UNKNOWN"))
      yield* Effect.promise(() => unlink(gone))
      yield* worker.encoders.recheck
      assert.deepStrictEqual(yield* devices, ["0", "1", null])
    }).pipe(Effect.scoped)
  )
})
