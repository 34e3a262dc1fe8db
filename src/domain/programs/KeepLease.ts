/** Holds on to a task while an attempt works on it. */
import { Clock, Duration, Effect, Ref, Stream, SubscriptionRef } from "effect"
import type { LeaseId } from "../ids.ts"
import { fencedAfterSeconds, renewEverySeconds } from "../jobs/Lease.ts"
import type { ClaimedTask } from "../ports/JobStore.ts"
import { ApiUnavailable, LeaseLost, WorkerApi } from "../ports/WorkerApi.ts"
import { WorkerState } from "../workers/WorkerState.ts"
import type { AttemptReport } from "./AttemptReport.ts"

/** Never succeeds. Fails with `LeaseLost` as soon as the answer to a heartbeat names the lease as one that was ended. */
export const untilCancelled = Effect.fnUntraced(function* (
  lease: LeaseId
): Effect.fn.Return<never, LeaseLost, WorkerState> {
  yield* SubscriptionRef.changes(yield* WorkerState).pipe(
    Stream.filter(({ cancelled }) => cancelled.includes(lease)),
    Stream.take(1),
    Stream.runDrain
  )
  return yield* new LeaseLost({ problem: "The job was cancelled" })
})

/**
 * Never succeeds. Fails with `LeaseLost` when the API says that the task is someone else's, and with `ApiUnavailable`
 * when it has not been reached for so long that it may be: a worker cut off from the API must stop before another one
 * starts. The clock is the monotonic one, and a renewal counts from when it was asked for, not from when the answer came.
 */
export const keepLease = Effect.fnUntraced(function* (options: {
  readonly task: ClaimedTask
  readonly leaseSeconds: number
  /** When the lease was asked for, on the monotonic clock. */
  readonly grantedAt: bigint
  readonly reportEverySeconds: number
  readonly report: Ref.Ref<AttemptReport>
}): Effect.fn.Return<never, LeaseLost | ApiUnavailable, WorkerApi> {
  const api = yield* WorkerApi
  const pause = Math.min(options.reportEverySeconds, renewEverySeconds(options.leaseSeconds))
  const fencedAfter = fencedAfterSeconds(options.leaseSeconds)

  /** A task that is complete is nobody's any more: whether it was ours until then, the answer to the completion says. */
  const completing = Effect.map(Ref.get(options.report), ({ progress }) => progress.step === "finalize")

  /** When a renewal that was granted was asked for; null for one that was not. */
  const renewal = Effect.gen(function* () {
    yield* Effect.sleep(Duration.seconds(pause))
    const asked = yield* Clock.monotonicTimeNanos
    return yield* api.renew(options.task, yield* Ref.get(options.report)).pipe(
      Effect.withTracerEnabled(false),
      Effect.as(asked),
      Effect.timeoutOrElse({
        duration: Duration.seconds(renewEverySeconds(options.leaseSeconds)),
        orElse: () => Effect.succeed(null)
      }),
      Effect.catchTag(["ApiUnavailable", "ApiRefused"], (error) =>
        Effect.as(Effect.logWarning("lease not renewed", { problem: error.message }), null)
      ),
      Effect.catchTag("LeaseLost", (error) => Effect.flatMap(completing, (is) => (is ? Effect.succeed(null) : error)))
    )
  })

  let granted = options.grantedAt
  const silent = Effect.map(Clock.monotonicTimeNanos, (now) => Number(now - granted) / 1e9)
  const fence = Effect.flatMap(
    silent,
    (seconds) =>
      new ApiUnavailable({
        problem: `The Worker API was not reached for ${Math.round(seconds)} s, and a lease of ${options.leaseSeconds} s is not safe any more`
      })
  )
  while (true) {
    const left = Math.max(0, fencedAfter - (yield* silent))
    const asked = yield* Effect.timeoutOrElse(renewal, { duration: Duration.seconds(left), orElse: () => fence })
    if (asked !== null) granted = asked
  }
})
