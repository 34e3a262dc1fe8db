/** How long a worker waits for the Worker API, and how often it asks again. */
import { Duration, Effect, Schedule } from "effect"
import { ApiUnavailable } from "../../../domain/ports/WorkerApi.ts"

/** For a question with a short answer. */
const usual = Duration.seconds(30)

/** All files of a long film get their places before a completion is answered. */
export const longest = Duration.minutes(5)

/** Bytes a second, of one of several uploads at once over a line that is still worth working on. */
const slowestLine = 8_000

export const patienceFor = (bytes: number) => Duration.sum(Duration.seconds(60), Duration.seconds(bytes / slowestLine))

/**
 * A call that is not answered in time is one that failed: a connection can be lost so that neither side is told, and a
 * worker that waits for the answer would wait for ever, or until it is killed.
 */
export const answered =
  (address: string, within: Duration.Duration = usual) =>
  <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E | ApiUnavailable, R> =>
    Effect.timeoutOrElse(call, {
      duration: within,
      orElse: () =>
        new ApiUnavailable({ problem: `${address} does not answer within ${Math.round(Duration.toSeconds(within))} s` })
    })

/** Longer than a lease usually lasts: what an API does not come back in time for is ended with the lease, and not before. */
const patience = Schedule.max([
  Schedule.jittered(Schedule.min([Schedule.exponential("500 millis"), Schedule.spaced("5 seconds")])),
  Schedule.during("2 minutes")
])

/** For calls that may be made twice: a lost answer is not a lost call. */
export const again = <A, E extends { readonly _tag: string }, R>(
  call: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.retry(call, { while: (error) => error._tag === "ApiUnavailable", schedule: patience })
