import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Ref, Stream } from "effect"
import type { Encoder } from "../../../src/domain/media/Encoder.ts"
import { describe as text } from "../../../src/domain/media/Encoder.ts"
import { anyBackend } from "../../../src/domain/media/EncoderSelection.ts"
import * as Progress from "../../../src/domain/jobs/Progress.ts"
import { TranscodeFailed, Transcoder } from "../../../src/domain/ports/Transcoder.ts"
import type { AttemptReport } from "../../../src/domain/programs/AttemptReport.ts"
import { transcodeTask } from "../../../src/domain/programs/TranscodeTask.ts"
import { Encoders } from "../../../src/domain/workers/Encoders.ts"
import { claimedTask, makeWorker } from "../support/worker.ts"

const nvenc = (device: string): Encoder => ({ name: "h264_nvenc", codec: "h264", backend: "nvenc", device })
const libx264: Encoder = { name: "libx264", codec: "h264", backend: "software", device: null }

const broken = (reason: TranscodeFailed["reason"], problem: string) =>
  new TranscodeFailed({ reason, problem, details: "" })

/** A worker whose devices fail with the given error, some only after the first files are there. */
const failing = (
  errors: Readonly<Record<string, TranscodeFailed>>,
  options: { readonly encoders: ReadonlyArray<Encoder>; readonly filesBefore?: number }
) => {
  const used: Array<string> = []
  const worker = makeWorker({ encoders: options.encoders })
  // The transcoder of the fake, with failures before it.
  const layer = Layer.effect(
    Transcoder,
    Effect.gen(function* () {
      const good = yield* Transcoder
      return Transcoder.of({
        ...good,
        transcode: (job) => {
          used.push(text(job.plan.encoder))
          const error = errors[text(job.plan.encoder)]
          if (error === undefined) return good.transcode(job)
          const files = good.transcode(job).pipe(
            Stream.filter((event) => event._tag === "FileReady"),
            Stream.take(options.filesBefore ?? 0)
          )
          return Stream.concat(files, Stream.fail(error))
        }
      })
    })
  )
  const all = Encoders.layer.pipe(Layer.provideMerge(layer), Layer.provideMerge(worker.layer))
  const attempt = Effect.gen(function* () {
    yield* (yield* Encoders).discover
    const report = yield* Ref.make<AttemptReport>({ progress: Progress.none, facts: null })
    const notes = yield* Ref.make<ReadonlyArray<string>>([])
    return yield* transcodeTask({
      task: claimedTask(),
      codec: "h264",
      policy: anyBackend,
      threads: null,
      drainFor: Duration.seconds(20),
      report,
      notes
    })
  })
  return { attempt, all, used, worker }
}

describe("an encoder that fails at run time", () => {
  it.effect("is left for the next one, on which the whole rendition set is made anew", () => {
    const { all, attempt, used, worker } = failing(
      { "h264_nvenc on 0": broken("device", "CUDA_ERROR_UNKNOWN") },
      { encoders: [nvenc("0"), libx264] }
    )
    return Effect.gen(function* () {
      yield* attempt
      assert.deepStrictEqual(used, ["h264_nvenc on 0", "libx264"])
      const [complete] = worker.called("complete")
      // What the job's history says of it.
      const notes = ["h264_nvenc on 0 failed: CUDA_ERROR_UNKNOWN", "Encoded with libx264 instead"]
      assert.deepInclude(complete?.argument, { notes })
    }).pipe(Effect.provide(all))
  })

  it.effect("tries each device of the chain", () => {
    const { all, attempt, used } = failing(
      { "h264_nvenc on 0": broken("device", "gone"), "h264_nvenc on 1": broken("device", "gone, too") },
      { encoders: [nvenc("0"), nvenc("1"), libx264] }
    )
    return Effect.gen(function* () {
      yield* attempt
      assert.deepStrictEqual(used, ["h264_nvenc on 0", "h264_nvenc on 1", "libx264"])
    }).pipe(Effect.provide(all))
  })

  it.effect("never shares an attempt with another once something was uploaded", () => {
    const { all, attempt, used, worker } = failing(
      { "h264_nvenc on 0": broken("device", "CUDA_ERROR_LAUNCH_FAILED") },
      { encoders: [nvenc("0"), libx264], filesBefore: 2 }
    )
    return Effect.gen(function* () {
      const error = yield* Effect.flip(attempt)
      assert.strictEqual(
        error.message,
        "h264_nvenc on 0 failed: CUDA_ERROR_LAUNCH_FAILED. The next attempt uses another encoder, because what was uploaded is this one's"
      )
      assert.strictEqual(worker.called("complete").length, 0)
      yield* attempt
      assert.deepStrictEqual(used, ["h264_nvenc on 0", "libx264"])
    }).pipe(Effect.provide(all))
  })

  it.effect("is reported as refused, with the reason", () => {
    const { all, attempt } = failing(
      { "h264_nvenc on 0": broken("device", "CUDA_ERROR_UNKNOWN") },
      { encoders: [nvenc("0"), libx264] }
    )
    return Effect.gen(function* () {
      yield* attempt
      const found = yield* (yield* Encoders).capabilities
      assert.deepStrictEqual(found?.encoders, [libx264])
      assert.deepStrictEqual(found?.refused, [{ encoder: nvenc("0"), reason: "CUDA_ERROR_UNKNOWN" }])
    }).pipe(Effect.provide(all))
  })

  for (const [what, error] of [
    ["its sessions were taken", broken("sessions", "OpenEncodeSessionEx failed: out of memory (10)")],
    ["the pictures were not for it", broken("unfit", "Width 7680 exceeds 4096")]
  ] as const) {
    it.effect(`is asked again by the next task where only ${what}`, () => {
      const { all, attempt, used } = failing({ "h264_nvenc on 0": error }, { encoders: [nvenc("0"), libx264] })
      return Effect.gen(function* () {
        yield* attempt
        assert.deepStrictEqual(used, ["h264_nvenc on 0", "libx264"])
        assert.deepStrictEqual((yield* (yield* Encoders).capabilities)?.encoders, [nvenc("0"), libx264])
      }).pipe(Effect.provide(all))
    })
  }

  it.effect("does not hide that the source or the disk is to blame", () =>
    Effect.forEach(["source", "resources", "crashed"] as const, (reason) => {
      const { all, attempt, used } = failing(
        { "h264_nvenc on 0": broken(reason, "no") },
        { encoders: [nvenc("0"), libx264] }
      )
      return Effect.gen(function* () {
        yield* Effect.flip(attempt)
        assert.deepStrictEqual(used, ["h264_nvenc on 0"])
        assert.strictEqual((yield* (yield* Encoders).capabilities)?.encoders.length, 2)
      }).pipe(Effect.provide(all))
    })
  )

  it.effect("is the end of the attempt where it was the last", () => {
    const { all, attempt } = failing({ "h264_nvenc on 0": broken("device", "gone") }, { encoders: [nvenc("0")] })
    return Effect.gen(function* () {
      const error = yield* Effect.flip(attempt)
      assert.strictEqual(error.message, "h264_nvenc on 0 failed: gone")
    }).pipe(Effect.provide(all))
  })
})

describe("a job that asks for a codec", () => {
  const libsvtav1: Encoder = { name: "libsvtav1", codec: "av1", backend: "software", device: null }
  const wishing = (required: boolean, encoders: ReadonlyArray<Encoder>) => {
    const { all, used } = failing({}, { encoders })
    return Effect.gen(function* () {
      yield* (yield* Encoders).discover
      const report = yield* Ref.make<AttemptReport>({ progress: Progress.none, facts: null })
      const notes = yield* Ref.make<ReadonlyArray<string>>([])
      const task = { ...claimedTask(), codec: { name: "av1", required } as const }
      const outcome = yield* Effect.exit(
        transcodeTask({
          task,
          codec: "h264",
          policy: anyBackend,
          threads: null,
          drainFor: Duration.seconds(20),
          report,
          notes
        })
      )
      return { outcome, used }
    }).pipe(Effect.provide(all))
  }

  it.effect("is made in it, whatever the worker prefers", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* wishing(false, [libx264, libsvtav1])).used, ["libsvtav1"])
      assert.deepStrictEqual((yield* wishing(true, [libx264, libsvtav1])).used, ["libsvtav1"])
    })
  )

  it.effect("falls back where it only prefers it, and says what is missing where it requires it", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* wishing(false, [libx264])).used, ["libx264"])
      const { outcome, used } = yield* wishing(true, [libx264])
      assert.deepStrictEqual(used, [])
      assert.match(String(outcome), /No encoder for av1, which the job requires, works on this machine/)
    })
  )
})
