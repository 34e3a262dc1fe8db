import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Result, Schema } from "effect"
import type { LeaseId } from "../../../src/domain/ids.ts"
import * as Task from "../../../src/domain/jobs/Task.ts"
import { int } from "../support/arbitraries.ts"
import { leaseId, workerId } from "../support/ids.ts"

const now = 1_000_000
const leaseMillis = 90_000
const [current, stale, next] = [leaseId(1), leaseId(2), leaseId(3)]

const ok = (result: ReturnType<typeof Task.complete>): Task.Task => Result.getOrThrow(result)

const claimed = (task: Task.Task, at: number, lease = current): Task.Task =>
  ok(Task.claim(task, { lease, worker: workerId(1), now: at, leaseMillis }))

const queued = Task.queued(now, 3)
const leased = claimed(queued, now)
/** Nobody has taken it back yet. */
const expired = claimed(Task.queued(0, 3), now - leaseMillis)
const done = ok(Task.complete(leased, { lease: current }))
const failed = ok(Task.fail(leased, { lease: current, error: "no", retry: false, now }))
const cancelled = ok(Task.cancel(leased))

const tasks = { queued, leased, expired, done, failed, cancelled }

const commands: Readonly<Record<string, (task: Task.Task) => ReturnType<typeof Task.complete>>> = {
  claim: (task) => Task.claim(task, { lease: next, worker: workerId(2), now, leaseMillis }),
  "claim early": (task) => Task.claim(task, { lease: next, worker: workerId(2), now: now - 1, leaseMillis }),
  renew: (task) => Task.renew(task, { lease: current, now, leaseMillis }),
  "renew stale": (task) => Task.renew(task, { lease: stale, now, leaseMillis }),
  complete: (task) => Task.complete(task, { lease: current }),
  "complete stale": (task) => Task.complete(task, { lease: stale }),
  fail: (task) => Task.fail(task, { lease: current, error: "no", retry: true, now }),
  "fail for good": (task) => Task.fail(task, { lease: current, error: "no", retry: false, now }),
  "fail stale": (task) => Task.fail(task, { lease: stale, error: "no", retry: true, now }),
  release: (task) => Task.release(task, { lease: current, now }),
  "release stale": (task) => Task.release(task, { lease: stale, now }),
  expire: (task) => Task.expire(task, now),
  cancel: Task.cancel,
  retry: (task) => Task.retry(task, now),
  prioritise: (task) => Task.prioritise(task, 7)
}

/** The state that follows, or the refusal, for every command in every state. */
const table: Readonly<Record<string, Readonly<Record<keyof typeof tasks, Task.TaskState | Task.Refusal>>>> = {
  claim: {
    queued: "leased",
    leased: "not-claimable",
    expired: "not-claimable",
    done: "not-claimable",
    failed: "not-claimable",
    cancelled: "not-claimable"
  },
  "claim early": {
    queued: "not-claimable",
    leased: "not-claimable",
    expired: "not-claimable",
    done: "not-claimable",
    failed: "not-claimable",
    cancelled: "not-claimable"
  },
  renew: {
    queued: "not-holder",
    leased: "leased",
    expired: "expired",
    done: "ended",
    failed: "ended",
    cancelled: "ended"
  },
  "renew stale": {
    queued: "not-holder",
    leased: "not-holder",
    expired: "not-holder",
    done: "ended",
    failed: "ended",
    cancelled: "ended"
  },
  complete: {
    queued: "not-holder",
    leased: "done",
    expired: "done",
    done: "done",
    failed: "ended",
    cancelled: "ended"
  },
  "complete stale": {
    queued: "not-holder",
    leased: "not-holder",
    expired: "not-holder",
    done: "ended",
    failed: "ended",
    cancelled: "ended"
  },
  fail: {
    queued: "not-holder",
    leased: "queued",
    expired: "queued",
    done: "ended",
    failed: "ended",
    cancelled: "ended"
  },
  "fail for good": {
    queued: "not-holder",
    leased: "failed",
    expired: "failed",
    done: "ended",
    failed: "ended",
    cancelled: "ended"
  },
  "fail stale": {
    queued: "not-holder",
    leased: "not-holder",
    expired: "not-holder",
    done: "ended",
    failed: "ended",
    cancelled: "ended"
  },
  release: {
    queued: "not-holder",
    leased: "queued",
    expired: "queued",
    done: "ended",
    failed: "ended",
    cancelled: "ended"
  },
  "release stale": {
    queued: "not-holder",
    leased: "not-holder",
    expired: "not-holder",
    done: "ended",
    failed: "ended",
    cancelled: "ended"
  },
  expire: {
    queued: "not-claimable",
    leased: "not-claimable",
    expired: "queued",
    done: "not-claimable",
    failed: "not-claimable",
    cancelled: "not-claimable"
  },
  cancel: {
    queued: "cancelled",
    leased: "cancelled",
    expired: "cancelled",
    done: "ended",
    failed: "ended",
    cancelled: "ended"
  },
  retry: {
    queued: "not-ended",
    leased: "not-ended",
    expired: "not-ended",
    done: "ended",
    failed: "queued",
    cancelled: "queued"
  },
  prioritise: {
    queued: "queued",
    leased: "leased",
    expired: "leased",
    done: "ended",
    failed: "ended",
    cancelled: "ended"
  }
}

describe("a task", () => {
  for (const [command, expectations] of Object.entries(table)) {
    it(`answers ${command} by its state`, () => {
      for (const [name, expected] of Object.entries(expectations)) {
        const result = commands[command]!(tasks[name as keyof typeof tasks])
        assert.strictEqual(Result.isSuccess(result) ? result.success.state : result.failure, expected, name)
      }
    })
  }

  it("counts the attempt when it is claimed", () => {
    assert.strictEqual(leased.attempt, 1)
    assert.deepStrictEqual(leased.lease, { id: current, worker: workerId(1), expiresAt: now + leaseMillis })
  })

  it("has its lease until the very millisecond at which it ends", () => {
    const ends = now + leaseMillis
    assert.isTrue(Result.isSuccess(Task.renew(leased, { lease: current, now: ends - 1, leaseMillis })))
    assert.isTrue(Result.isFailure(Task.renew(leased, { lease: current, now: ends, leaseMillis })))
    assert.isTrue(Result.isFailure(Task.expire(leased, ends - 1)))
    assert.isTrue(Result.isSuccess(Task.expire(leased, ends)))
  })

  it("has its lease's full time again after a renewal, and never less than it had", () => {
    assert.strictEqual(
      ok(Task.renew(leased, { lease: current, now: now + 30_000, leaseMillis })).lease?.expiresAt,
      now + 120_000
    )
    assert.strictEqual(
      ok(Task.renew(leased, { lease: current, now: now + 30_000, leaseMillis: 1 })).lease?.expiresAt,
      now + leaseMillis
    )
  })

  it("remembers who ended it, and what went wrong", () => {
    assert.strictEqual(done.doneBy, current)
    assert.isNull(done.lease)
    assert.strictEqual(failed.lastError, "no")
    assert.isNull(failed.doneBy)
    assert.strictEqual(ok(Task.expire(expired, now)).lastError, Task.lostWorker)
  })

  it("waits longer after each failed attempt, but no more than five minutes", () => {
    assert.deepStrictEqual([1, 2, 3, 4, 6, 7, 50].map(Task.backoffSeconds), [5, 10, 20, 40, 160, 300, 300])
    const again = ok(Task.fail(leased, { lease: current, error: "no", retry: true, now }))
    assert.strictEqual(again.runAt, now + 5000)
    const third = ok(
      Task.fail({ ...leased, attempt: 3, maxAttempts: 9 }, { lease: current, error: "no", retry: true, now })
    )
    assert.strictEqual(third.runAt, now + 20_000)
  })

  it("can be claimed at once after a release, with its attempt given back", () => {
    const released = ok(Task.release(leased, { lease: current, now: now + 5 }))
    assert.strictEqual(released.attempt, 0)
    assert.isTrue(
      Result.isSuccess(Task.claim(released, { lease: next, worker: workerId(2), now: now + 5, leaseMillis }))
    )
  })

  it("begins anew when an operator asks, and a worker from before stays out", () => {
    for (const ended of [{ ...failed, attempt: 3 }, cancelled]) {
      const again = ok(Task.retry(ended, now + 5))
      assert.deepInclude(again, { state: "queued", attempt: 0, runAt: now + 5, lease: null, lastError: null })
      assert.deepStrictEqual(Task.complete(again, { lease: current }), Result.fail("not-holder"))
      assert.deepStrictEqual(
        Task.complete(claimed(again, now + 5, next), { lease: current }),
        Result.fail("not-holder")
      )
    }
  })

  it("has the priority that it was given last, and goes on with what it was doing", () => {
    assert.deepStrictEqual(ok(Task.prioritise(leased, 7)), { ...leased, priority: 7 })
  })

  it("fails with its last attempt, however that ends", () => {
    const last = { ...leased, attempt: 3 }
    assert.strictEqual(ok(Task.fail(last, { lease: current, error: "no", retry: true, now })).state, "failed")
    assert.strictEqual(ok(Task.expire({ ...expired, attempt: 3 }, now)).state, "failed")
  })

  it.prop("whose workers all die ends failed after its last attempt", [int(1, 10)], ([maxAttempts]) => {
    let task = Task.queued(0, maxAttempts)
    let time = 0
    let claims = 0
    while (task.state === "queued") {
      time = Math.max(time, task.runAt)
      task = claimed(task, time, leaseId(++claims))
      time += leaseMillis
      task = ok(Task.expire(task, time))
    }
    assert.strictEqual(task.state, "failed")
    assert.strictEqual(claims, maxAttempts)
    assert.strictEqual(task.attempt, maxAttempts)
  })
})

/** `who` picks a lease from all that there ever were, so that most are stale. */
const command = Schema.Struct({
  kind: Schema.Literals([
    "claim",
    "claim",
    "renew",
    "complete",
    "fail",
    "fail for good",
    "release",
    "expire",
    "cancel",
    "retry",
    "wait"
  ]),
  who: int(0, 5),
  seconds: int(0, 200)
})

interface History {
  task: Task.Task
  time: number
  readonly leases: Array<LeaseId>
  /** Leases that were told that they completed the task. */
  readonly winners: Set<LeaseId>
  claims: number
  releases: number
}

const apply = (history: History, { kind, seconds, who }: typeof command.Type) => {
  const before = history.task
  const held = before.lease
  const at = history.time
  // The newest leases are picked as often as all older ones together.
  const lease = history.leases.at(who < 3 ? -1 : -(who % Math.max(1, history.leases.length)) - 1) ?? stale
  const isCurrent = held?.id === lease
  const isLate = held !== null && held.expiresAt <= at

  const taken = (result: ReturnType<typeof Task.complete>): result is Result.Success<Task.Task, Task.Refusal> => {
    if (Result.isSuccess(result)) history.task = result.success
    return Result.isSuccess(result)
  }

  switch (kind) {
    case "wait":
      history.time += seconds * 1000
      break
    case "claim": {
      const id = leaseId(history.leases.length + 10)
      if (!taken(Task.claim(before, { lease: id, worker: workerId(who), now: at, leaseMillis }))) break
      assert.strictEqual(before.state, "queued")
      assert.isAtMost(before.runAt, at)
      history.leases.push(id)
      history.claims += 1
      break
    }
    case "renew":
      if (!taken(Task.renew(before, { lease, now: at, leaseMillis }))) break
      assert.isTrue(isCurrent, "renewed by a stale lease")
      assert.isFalse(isLate, "revived")
      assert.isAtLeast(history.task.lease!.expiresAt, Math.max(held!.expiresAt, at + leaseMillis))
      break
    case "complete":
      if (!taken(Task.complete(before, { lease }))) {
        assert.isFalse(history.winners.has(lease), "a replay was refused")
        break
      }
      assert.isTrue(isCurrent || history.winners.has(lease), "completed by a stale lease")
      if (history.winners.has(lease)) assert.deepStrictEqual(history.task, before, "a replay changed something")
      history.winners.add(lease)
      break
    case "fail":
    case "fail for good":
      if (!taken(Task.fail(before, { lease, error: "no", retry: kind === "fail", now: at }))) break
      assert.isTrue(isCurrent, "failed by a stale lease")
      break
    case "release":
      if (!taken(Task.release(before, { lease, now: at }))) break
      assert.isTrue(isCurrent, "released by a stale lease")
      assert.strictEqual(history.task.attempt, before.attempt - 1)
      assert.isAtMost(history.task.runAt, at)
      history.releases += 1
      break
    case "expire":
      if (!taken(Task.expire(before, at))) break
      assert.isTrue(isLate, "a live lease was taken away")
      break
    case "cancel":
      // Rarely, or hardly a run would get far.
      if (seconds > 20 || !taken(Task.cancel(before))) break
      break
    case "retry":
      if (!taken(Task.retry(before, at))) break
      assert.include(["failed", "cancelled"], before.state)
      history.claims = 0
      history.releases = 0
      break
  }

  const { task } = history
  if (Task.isTerminal(before) && kind !== "retry") assert.deepStrictEqual(task, before, "over is over")
  assert.strictEqual(task.lease !== null, task.state === "leased", "a lease while leased, and only then")
  assert.isAtMost(task.attempt, task.maxAttempts)
  assert.strictEqual(task.attempt, history.claims - history.releases, "each claim counts, but for those given back")
  assert.strictEqual(task.doneBy !== null, task.state === "done")
  assert.deepStrictEqual([...history.winners], task.doneBy === null ? [] : [task.doneBy], "one winner")
  if (task.state === "queued") assert.isBelow(task.attempt, task.maxAttempts, "a queued task has an attempt left")
}

describe("any history of a task", () => {
  it.prop(
    "has one winner, counted attempts, at most one lease, and no way back from its end but an operator's",
    [Arbitrary.array(Arbitrary.schema(command), { minLength: 1, maxLength: 60 }), int(1, 4)],
    ([commands, maxAttempts]) => {
      const history: History = {
        task: Task.queued(0, maxAttempts),
        time: 0,
        leases: [],
        winners: new Set(),
        claims: 0,
        releases: 0
      }
      for (const each of commands) apply(history, each)
    },
    { arbitrary: { runs: 1000, size: 60 } }
  )
})
