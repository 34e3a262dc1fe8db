import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import type { FileDigest } from "../../../src/domain/media/Segment.ts"
import { segmentName } from "../../../src/domain/media/Segment.ts"
import { greet } from "../../../src/domain/programs/Introduce.ts"
import { work } from "../../../src/domain/programs/Work.ts"
import { claimedTask, makeWorker, workSettings } from "../support/worker.ts"

/** A worker with one task to do, which takes `seconds` for each of its files, and then none. */
const busyWorker = (seconds: number) => {
  let claims = 0
  return makeWorker({
    encodeSeconds: seconds,
    api: {
      claim: Effect.sync(() =>
        claims++ === 0 ? Option.some({ task: claimedTask(), leaseSeconds: 90 }) : Option.none()
      )
    }
  })
}

const run = (worker: ReturnType<typeof makeWorker>, own: Partial<Parameters<typeof work>[0]> = {}) =>
  Effect.flatMap(greet, (greeting) => work({ ...workSettings, ...own }, greeting)).pipe(
    Effect.scoped,
    Effect.provide(worker.layer),
    Effect.forkChild,
    // It comes to where it waits before time passes.
    Effect.tap(() => TestClock.adjust(Duration.zero))
  )

/** Asks to stop, as a signal does, without waiting for the end. */
const stop = <A, E>(fiber: Fiber.Fiber<A, E>) => Effect.forkChild(Fiber.interrupt(fiber))

describe("a worker that is told to stop", () => {
  it.effect("finishes the task in hand where that can be done in time", () => {
    const worker = busyWorker(1)
    return Effect.gen(function* () {
      const fiber = yield* run(worker)
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(worker.called("complete").length, 0)
      const stopping = yield* stop(fiber)
      yield* TestClock.adjust("59 seconds")
      yield* Fiber.join(stopping)
      assert.strictEqual(worker.called("complete").length, 1)
      assert.strictEqual(worker.called("release").length, 0)
      assert.strictEqual(worker.called("claim").length, 1)
    })
  })

  it.effect("finishes the segment in hand of every rendition, sends it and gives the task back", () => {
    const worker = busyWorker(0.2)
    /** Sound is made whole by the next attempt, whatever there is of it. */
    const pictures = (segment: number) =>
      worker
        .called("upload")
        .map(({ argument }) => argument as FileDigest)
        .filter(({ name, rendition }) => name === segmentName(segment) && /^\d+p$/.test(rendition))
        .map(({ rendition }) => rendition)
    return Effect.gen(function* () {
      const fiber = yield* run(worker, { drainFor: Duration.seconds(4) })
      yield* TestClock.adjust("100 millis")
      while (pictures(1).length === 0) yield* TestClock.adjust("100 millis")
      const stopping = yield* stop(fiber)
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(pictures(1), pictures(0))
      assert.deepStrictEqual(pictures(2), [])
      assert.deepStrictEqual(worker.notes, ["opened", "encoding", "stopped", "removed"])
      assert.deepStrictEqual(
        worker.calls.slice(-2).map(({ name }) => name),
        ["upload", "release"]
      )
    })
  })

  it.effect("gives a task back at once of which nothing is made yet", () => {
    const claimed = Effect.succeedSome({ task: claimedTask(), leaseSeconds: 90 })
    const worker = makeWorker({ api: { claim: claimed, download: () => Effect.never } })
    return Effect.gen(function* () {
      const fiber = yield* run(worker)
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(worker.called("release").length, 1)
      assert.deepStrictEqual(worker.notes, ["opened", "removed"])
    })
  })

  it.effect("gives the task back when its time is over, which costs no attempt", () => {
    const worker = busyWorker(1000)
    return Effect.gen(function* () {
      const fiber = yield* run(worker)
      yield* TestClock.adjust("3 seconds")
      const stopping = yield* stop(fiber)
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(worker.called("release").length, 0)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(stopping)
      assert.strictEqual(worker.called("release").length, 1)
      assert.strictEqual(worker.called("fail").length, 0)
      assert.deepStrictEqual(worker.notes, ["opened", "encoding", "stopped", "removed"])
    })
  })

  it.effect("keeps the lease while it finishes", () => {
    const worker = busyWorker(1000)
    return Effect.gen(function* () {
      const fiber = yield* run(worker)
      yield* TestClock.adjust("3 seconds")
      const renewals = worker.called("renew").length
      const stopping = yield* stop(fiber)
      yield* TestClock.adjust("50 seconds")
      assert.isAtLeast(worker.called("renew").length, renewals + 9)
      assert.isAtLeast(worker.called("heartbeat").length, 2)
      yield* TestClock.adjust("11 seconds")
      yield* Fiber.join(stopping)
    })
  })

  it.effect("gives the task back at once when told a second time", () => {
    const worker = busyWorker(1000)
    return Effect.gen(function* () {
      const hurry = yield* Deferred.make<void>()
      const fiber = yield* run(worker, { hurry: Deferred.await(hurry) })
      yield* TestClock.adjust("3 seconds")
      const stopping = yield* stop(fiber)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(worker.called("release").length, 0)
      yield* Deferred.succeed(hurry, undefined)
      yield* Fiber.join(stopping)
      assert.strictEqual(worker.called("release").length, 1)
    })
  })

  it.effect("stops at once with nothing in hand", () => {
    const worker = makeWorker()
    return Effect.gen(function* () {
      const fiber = yield* run(worker)
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(worker.called("release").length, 0)
    })
  })

  it.effect("takes up, and gives back, what was granted while the signal came", () => {
    const answered = Deferred.makeUnsafe<void>()
    const worker = makeWorker({
      encodeSeconds: 1000,
      api: {
        claim: Effect.as(Deferred.await(answered), Option.some({ task: claimedTask(), leaseSeconds: 90 }))
      }
    })
    return Effect.gen(function* () {
      const fiber = yield* run(worker)
      yield* TestClock.adjust("1 second")
      const stopping = yield* stop(fiber)
      yield* TestClock.adjust("1 second")
      yield* Deferred.succeed(answered, undefined)
      yield* TestClock.adjust("61 seconds")
      yield* Fiber.join(stopping)
      assert.strictEqual(worker.called("release").length, 1)
    })
  })

  it.effect("waits for no claim that nobody answers", () => {
    const worker = makeWorker({ api: { claim: Effect.never } })
    return Effect.gen(function* () {
      const fiber = yield* run(worker)
      yield* TestClock.adjust("1 second")
      const stopping = yield* stop(fiber)
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(stopping)
    })
  })
})
