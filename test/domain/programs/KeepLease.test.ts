import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Clock, Effect, Exit, Fiber, Layer, Ref, Schema } from "effect"
import { TestClock } from "effect/testing"
import { fencedAfterSeconds } from "../../../src/domain/jobs/Lease.ts"
import * as Progress from "../../../src/domain/jobs/Progress.ts"
import { ApiRefused, ApiUnavailable, LeaseLost, WorkerApi } from "../../../src/domain/ports/WorkerApi.ts"
import { keepLease } from "../../../src/domain/programs/KeepLease.ts"
import type { AttemptReport } from "../../../src/domain/programs/AttemptReport.ts"
import { int } from "../support/arbitraries.ts"
import { claimedTask } from "../support/worker.ts"

const seconds = Effect.map(Clock.currentTimeMillis, (millis) => millis / 1000)

/** What the API does with a renewal, and how many seconds later it answers. */
interface Answer {
  readonly kind: "grant" | "unavailable" | "refuse" | "lost" | "silence"
  readonly after: number
}

const answers: Readonly<Record<Answer["kind"], Effect.Effect<void, ApiUnavailable | ApiRefused | LeaseLost>>> = {
  grant: Effect.void,
  unavailable: new ApiUnavailable({ problem: "connection refused" }),
  refuse: new ApiRefused({ status: 500, problem: "broken" }),
  lost: new LeaseLost({ problem: "taken over" }),
  silence: Effect.never
}

/** Holds a lease against an API that answers renewals one after the other, the last answer for ever. */
const holding = Effect.fnUntraced(function* (
  script: ReadonlyArray<Answer>,
  options: { readonly leaseSeconds?: number; readonly reportEverySeconds?: number } = {}
) {
  const began = yield* seconds
  const asked: Array<number> = []
  const reports: Array<AttemptReport> = []
  let granted = 0
  const report = yield* Ref.make<AttemptReport>({ progress: Progress.none, facts: null })
  const api = Layer.mock(WorkerApi)({
    renew: Effect.fnUntraced(function* (_task, sent) {
      const { after, kind } = script[Math.min(asked.length, script.length - 1)]!
      const at = (yield* seconds) - began
      asked.push(at)
      reports.push(sent)
      yield* Effect.sleep(`${after} seconds`)
      yield* answers[kind]
      granted = at
    })
  })
  let ended: number | null = null
  const fiber = yield* keepLease({
    grantedAt: yield* Clock.monotonicTimeNanos,
    task: claimedTask(),
    leaseSeconds: 90,
    reportEverySeconds: 10,
    ...options,
    report
  }).pipe(
    Effect.onExit(() => Effect.map(seconds, (now) => (ended = now - began))),
    Effect.provide(api),
    Effect.forkChild
  )
  return { asked, reports, report, fiber, ended: () => ended, granted: () => granted }
})

const always = (kind: Answer["kind"], after = 0): ReadonlyArray<Answer> => [{ kind, after }]

const lossOf = (fiber: Fiber.Fiber<never, LeaseLost | ApiUnavailable>) =>
  Effect.map(Fiber.await(fiber), (exit) => {
    assert.isTrue(Exit.isFailure(exit))
    return Effect.runSync(Effect.flip(exit))
  })

describe("a lease that is kept", () => {
  it.effect("is renewed as often as reports are wanted", () =>
    Effect.gen(function* () {
      const { asked } = yield* holding(always("grant"))
      yield* TestClock.adjust("35 seconds")
      assert.deepStrictEqual(asked, [10, 20, 30])
    })
  )

  it.effect("is renewed three times in its length, however rarely reports are wanted", () =>
    Effect.gen(function* () {
      const { asked } = yield* holding(always("grant"), { reportEverySeconds: 600 })
      yield* TestClock.adjust("95 seconds")
      assert.deepStrictEqual(asked, [30, 60, 90])
    })
  )

  it.effect("tells with each renewal how far the attempt is", () =>
    Effect.gen(function* () {
      const { report, reports } = yield* holding(always("grant"))
      yield* TestClock.adjust("15 seconds")
      const later: AttemptReport = {
        progress: { step: "transcode", percent: 40, renditions: [] },
        facts: { duration: 10, width: 16, height: 16 }
      }
      yield* Ref.set(report, later)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(reports, [{ progress: Progress.none, facts: null }, later])
    })
  )

  it.effect("is kept for as long as it is granted, by a slow API too", () =>
    Effect.gen(function* () {
      const { asked, ended } = yield* holding(always("grant", 25))
      yield* TestClock.adjust("10 hours")
      assert.isNull(ended())
      assert.isAbove(asked.length, 1000)
    })
  )

  it.effect("is not lost by being over while the completion is on its way, whose answer counts", () =>
    Effect.gen(function* () {
      const { ended, report } = yield* holding([{ kind: "grant", after: 0 }, ...always("lost")])
      yield* TestClock.adjust("15 seconds")
      yield* Ref.set(report, { progress: { step: "finalize", percent: 98, renditions: [] }, facts: null })
      yield* TestClock.adjust("60 seconds")
      assert.isNull(ended())
      yield* TestClock.adjust("16 seconds")
      assert.strictEqual(ended(), 10 + 81)
    })
  )

  it.effect("outlives answers that say neither yes nor no", () =>
    Effect.gen(function* () {
      const { ended } = yield* holding([
        { kind: "unavailable", after: 0 },
        { kind: "refuse", after: 0 },
        { kind: "silence", after: 0 },
        { kind: "grant", after: 0 }
      ])
      yield* TestClock.adjust("140 seconds")
      assert.isNull(ended())
    })
  )
})

describe("a lease that is lost", () => {
  it.effect("is lost as soon as the API says so", () =>
    Effect.gen(function* () {
      const { ended, fiber } = yield* holding([{ kind: "grant", after: 0 }, ...always("lost", 2)])
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* lossOf(fiber)).problem, "taken over")
      assert.strictEqual(ended(), 22)
    })
  )

  for (const kind of ["silence", "unavailable", "refuse"] as const) {
    it.effect(`is given up before it can end when the API answers with ${kind}`, () =>
      Effect.gen(function* () {
        const { ended, fiber } = yield* holding([{ kind: "grant", after: 5 }, ...always(kind)])
        yield* TestClock.adjust("5 minutes")
        const error = yield* lossOf(fiber)
        assert.strictEqual(error._tag, "ApiUnavailable")
        assert.include(error.problem, "not reached for 81 s")
        assert.strictEqual(ended(), 10 + 81)
      })
    )
  }

  it.effect("is given up in the middle of a pause or a question, not after it", () =>
    Effect.gen(function* () {
      const { ended } = yield* holding(always("silence"), { reportEverySeconds: 25 })
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(ended(), 81)
    })
  )

  it.effect.prop(
    "is given up when nine tenths of it are over since the last granted renewal was asked for, never later",
    {
      script: Arbitrary.array(
        Arbitrary.schema(
          Schema.Struct({
            kind: Schema.Literals(["grant", "grant", "grant", "unavailable", "refuse", "silence"]),
            after: int(0, 60)
          })
        ),
        { maxLength: 12 }
      ),
      leaseSeconds: int(5, 200),
      reportEverySeconds: int(1, 100)
    },
    ({ script, ...options }) =>
      Effect.gen(function* () {
        const { ended, fiber, granted } = yield* holding([...script, ...always("silence")], options)
        yield* TestClock.adjust("3 hours")
        yield* lossOf(fiber)
        assert.approximately(ended()!, granted() + fencedAfterSeconds(options.leaseSeconds), 0.001)
      }),
    { arbitrary: { runs: 200 } }
  )

  it.effect("counts the lease from when it was asked for, however late the answer to the claim came", () =>
    Effect.gen(function* () {
      const askedAt = yield* Clock.monotonicTimeNanos
      yield* TestClock.adjust("60 seconds")
      const fiber = yield* keepLease({
        task: claimedTask(),
        leaseSeconds: 90,
        grantedAt: askedAt,
        reportEverySeconds: 10,
        report: yield* Ref.make<AttemptReport>({ progress: Progress.none, facts: null })
      }).pipe(Effect.provide(Layer.mock(WorkerApi)({ renew: () => Effect.never })), Effect.forkChild)
      yield* TestClock.adjust("20 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isFailure(yield* Fiber.await(fiber)))
    })
  )
})
