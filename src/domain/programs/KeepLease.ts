/** Holds on to a task while an attempt works on it. */
import { Clock, Duration, Effect, Ref, Stream, SubscriptionRef } from "effect"
import type { LeaseId } from "../ids.ts"
import { fencedAfterSeconds, renewEverySeconds } from "../jobs/Lease.ts"
import type { ClaimedTask } from "../ports/JobStore.ts"
import { LeaseLost, WorkerApi } from "../ports/WorkerApi.ts"
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
 * Never succeeds. Fails with `LeaseLost` when the API says that the task is someone else's, and also when it has not
 * been reached for so long that it may be: a worker cut off from the API must stop before another one starts. The
 * clock is the monotonic one, and a renewal counts from when it was asked for, not from when the answer came.
 */
export const keepLease = Effect.fnUntraced(function* (options: {
  readonly task: ClaimedTask
  readonly leaseSeconds: number
  /** When the lease was asked for, on the monotonic clock. */
  readonly grantedAt: bigint
  readonly reportEverySeconds: number
  readonly report: Ref.Ref<AttemptReport>
}): Effect.fn.Return<never, LeaseLost, WorkerApi> {
  const api = yield* WorkerApi
  const pause = Math.min(options.reportEverySeconds, renewEverySeconds(options.leaseSeconds))
  const fencedAfter = fencedAfterSeconds(options.leaseSeconds)

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
      )
    )
  })

  let granted = options.grantedAt
  while (true) {
    const silent = Number((yield* Clock.monotonicTimeNanos) - granted) / 1e9
    const asked = yield* renewal.pipe(
      Effect.timeoutOrElse({
        duration: Duration.seconds(Math.max(0, fencedAfter - silent)),
        orElse: () =>
          new LeaseLost({
            problem: `The Worker API was not reached for ${Math.round(fencedAfter)} s, and the lease is about to end`
          })
      })
    )
    if (asked !== null) granted = asked
  }
})
