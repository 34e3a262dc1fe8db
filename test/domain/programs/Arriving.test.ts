/** A worker that encodes while its source arrives. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import type { RegisteredFile } from "../../../src/domain/media/Segment.ts"
import { initName, segmentName } from "../../../src/domain/media/Segment.ts"
import type { Source } from "../../../src/domain/media/Source.ts"
import { wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import type { ClaimedTask } from "../../../src/domain/ports/JobStore.ts"
import { TranscodeFailed, Transcoder } from "../../../src/domain/ports/Transcoder.ts"
import { ApiRefused, type WorkerApi } from "../../../src/domain/ports/WorkerApi.ts"
import { greet } from "../../../src/domain/programs/Introduce.ts"
import { work } from "../../../src/domain/programs/Work.ts"
import { Encoders } from "../../../src/domain/workers/Encoders.ts"
import { leaseId, sha256 } from "../support/ids.ts"
import { source } from "../support/sources.ts"
import { claimedTask, digestOfFirst, makeWorker, workSettings } from "../support/worker.ts"

const settings = { ...workSettings, once: true }

const bytes = 100_000_000
const digest = sha256(1)
const task = (own: Partial<ClaimedTask> = {}): ClaimedTask => ({
  ...claimedTask(),
  source: { fileName: "cat.mp4", extension: ".mp4", bytes, sha256: digest },
  ...own
})

/** Seconds that a download takes: more than the sixteen files of the encode, with a second each. */
const slow = 60

type Api = WorkerApi["Service"]

/** Half of it at once, and how it ends later. */
const slowly =
  (end: ReturnType<Api["download"]> = Effect.void): Api["download"] =>
  (_, __, arrived) =>
    Effect.andThen(arrived(bytes / 2), Effect.delay(Effect.andThen(arrived(bytes), end), Duration.seconds(slow)))

const encoder = { name: "libx264", codec: "h264", backend: "software", device: null } as const

/** What had been read of the source when the segments were made that an earlier attempt left. */
const prefix = { bytes: bytes / 4, sha256: digestOfFirst(bytes / 4) }

/** Segments that an earlier attempt left. */
const left = (): ReadonlyArray<RegisteredFile> =>
  wholeSource(source(), { encoder }).video.flatMap(({ height, name: rendition, width }) => [
    {
      rendition,
      name: initName,
      bytes: 1000,
      sha256: digest,
      prefix,
      facts: { _tag: "VideoInit" as const, codecs: "avc1.64001f", timescale: 25, width, height }
    },
    {
      rendition,
      name: segmentName(0),
      bytes: 1000,
      sha256: digest,
      prefix,
      facts: { _tag: "MediaSegment" as const, decodeTime: 0, duration: 100, samples: 100, startsWithKeyframe: true }
    }
  ])

/** One that is given a task, and ends with it. `fails` says after how many files an encode of an arriving source does. */
const run = Effect.fnUntraced(function* (options: {
  readonly task?: ClaimedTask
  readonly api?: Partial<Api>
  readonly found?: Source
  readonly fails?: { readonly after: number; readonly reason: TranscodeFailed["reason"] }
  readonly foresees?: Source | null
}) {
  const worker = makeWorker({
    encodeSeconds: 1,
    api: {
      claim: Effect.succeedSome({ task: options.task ?? task(), leaseSeconds: 90 }),
      download: slowly(),
      ...options.api
    },
    probe: () => Effect.succeed(options.found ?? source()),
    foresee: (arriving) =>
      Effect.as(arriving.beyond(bytes / 4), options.foresees === undefined ? source() : options.foresees)
  })
  const encodes: Array<"arriving" | "whole"> = []
  const transcoder = Layer.effect(
    Transcoder,
    Effect.map(Transcoder, (good) =>
      Transcoder.of({
        ...good,
        transcode: (job) => {
          encodes.push(typeof job.source === "string" ? "whole" : "arriving")
          const { fails } = options
          if (typeof job.source === "string" || fails === undefined) return good.transcode(job)
          return Stream.concat(
            good.transcode(job).pipe(
              Stream.filter((event) => event._tag === "FileReady"),
              Stream.take(fails.after)
            ),
            Stream.fail(new TranscodeFailed({ reason: fails.reason, problem: "it fell over", details: "" }))
          )
        }
      })
    )
  )
  const layers = Encoders.layer.pipe(Layer.provideMerge(transcoder), Layer.provideMerge(worker.layer))
  const fiber = yield* Effect.flatMap(greet, (greeting) => work(settings, greeting)).pipe(
    Effect.scoped,
    Effect.provide(layers),
    Effect.forkChild
  )
  const pass = (seconds: number) => TestClock.adjust(Duration.seconds(seconds))
  // It comes to where it waits before time passes.
  yield* pass(0)
  const before = (call: "upload" | "complete") => worker.called(call).filter(({ at }) => at < slow).length
  return {
    ...worker,
    encodes,
    fiber,
    pass,
    before,
    begun: () => worker.called("begin").map(({ argument }) => argument)
  }
})

const fingerprint = "f".repeat(64)

describe("a source that can be decoded as it arrives", () => {
  it.effect("is encoded and sent meanwhile, and published when all of it has been judged", () =>
    Effect.gen(function* () {
      const worker = yield* run({})
      yield* worker.pass(slow - 1)
      assert.deepStrictEqual(worker.encodes, ["arriving"])
      assert.lengthOf(worker.called("upload"), 16)
      yield* worker.pass(60)
      assert.deepStrictEqual(worker.begun(), [fingerprint])
      assert.strictEqual(worker.before("complete"), 0)
      assert.lengthOf(worker.called("complete"), 1)
      assert.lengthOf(worker.called("upload"), 17)
      assert.deepStrictEqual(worker.notes, ["opened", "encoding", "stopped", "removed"])
    })
  )

  it.effect("is not published where it is another in the end", () =>
    Effect.gen(function* () {
      const wrong = new ApiRefused({ status: 200, problem: "The source arrived with another digest" })
      const worker = yield* run({ api: { download: slowly(wrong) } })
      yield* worker.pass(slow + 60)
      assert.strictEqual(worker.before("upload"), 16)
      assert.isEmpty(worker.called("complete"))
      const [failure] = worker.called("fail")
      assert.deepInclude(failure?.argument, { error: wrong.message, reason: "refused", retry: true })
    })
  )

  it.effect("is not published where its beginning lied", () =>
    Effect.gen(function* () {
      const worker = yield* run({ found: source({ frames: 200, duration: 8, promised: 8 }) })
      yield* worker.pass(slow + 60)
      assert.isEmpty(worker.called("complete"))
      const [failure] = worker.called("fail")
      assert.deepInclude(failure?.argument, { reason: "crashed", retry: true })
      assert.include((failure!.argument as { error: string }).error, "not what its beginning says")
    })
  )

  it.effect("is encoded whole where the encode of its beginning fails before anything was sent", () =>
    Effect.gen(function* () {
      const worker = yield* run({ fails: { after: 0, reason: "source" } })
      yield* worker.pass(slow - 1)
      assert.deepStrictEqual(worker.encodes, ["arriving"])
      yield* worker.pass(60)
      assert.deepStrictEqual(worker.encodes, ["arriving", "whole"])
      const [complete] = worker.called("complete")
      assert.deepInclude(complete?.argument, { notes: ["Encoding while the source arrived failed: it fell over"] })
    })
  )

  it.effect("is blamed for nothing where its encode fails after that, so that the next attempt has all of it", () =>
    Effect.gen(function* () {
      const worker = yield* run({ fails: { after: 3, reason: "source" } })
      yield* worker.pass(slow + 60)
      assert.deepStrictEqual(worker.encodes, ["arriving"])
      assert.deepInclude(worker.called("fail")[0]?.argument, { reason: "crashed", retry: true })
    })
  )

  it.effect("is let go at once where the worker is told to stop before all is there", () =>
    Effect.gen(function* () {
      const worker = yield* run({})
      yield* worker.pass(5)
      const stopping = yield* Effect.forkChild(Fiber.interrupt(worker.fiber))
      yield* worker.pass(0)
      yield* Fiber.join(stopping)
      assert.lengthOf(worker.called("release"), 1)
      assert.deepStrictEqual(worker.notes, ["opened", "encoding", "stopped", "removed"])
    })
  )
})

describe("a source that is waited for", () => {
  it.effect.each<readonly [string, Parameters<typeof run>[0]]>([
    ["one whose beginning tells nothing", { foresees: null }],
    ["one whose beginning tells that it was cut short", { foresees: source({ promised: 20 }) }],
    ["a small one", { task: task({ source: { ...task().source, bytes: 1_000_000 } }) }],
    ["one that nothing vouches for", { task: task({ source: { ...task().source, sha256: null } }) }],
    ["one that was tried before", { task: task({ attempt: 2 }) }],
    [
      "one of which an earlier attempt left segments",
      { api: { begin: () => Effect.succeedSome({ lease: leaseId(9), files: left() }) } }
    ]
  ])("%s", ([, options]) =>
    Effect.gen(function* () {
      const worker = yield* run(options)
      yield* worker.pass(slow - 1)
      assert.isEmpty(worker.encodes)
      yield* worker.pass(60)
      assert.strictEqual(worker.encodes[0], "whole")
      assert.lengthOf(worker.called("complete"), 1)
    })
  )
})
