/** How a worker makes itself known, and goes on being known: it is there, this is what it can do, and it still can. */
import { Clock, Deferred, type Duration, Effect, Metric, Schedule, SubscriptionRef } from "effect"
import { WorkerApi } from "../ports/WorkerApi.ts"
import { Encoders } from "../workers/Encoders.ts"
import { heartbeatAnswered, heartbeatsFailed } from "../workers/Metrics.ts"
import { WorkerState } from "../workers/WorkerState.ts"

const beat = Effect.gen(function* () {
  const api = yield* WorkerApi
  const { capabilities } = yield* Encoders
  const { tasks } = yield* SubscriptionRef.get(yield* WorkerState)
  const report = { status: tasks > 0 ? "busy" : "idle", capabilities: yield* capabilities } as const
  const answer = yield* api.heartbeat(report).pipe(
    Effect.withTracerEnabled(false),
    Effect.tapError(() => Metric.update(heartbeatsFailed, 1))
  )
  yield* Metric.update(heartbeatAnswered, (yield* Clock.currentTimeMillis) / 1000)
  yield* WorkerState.update(() => ({ connected: true, cancelled: answer.cancelled }))
  return answer
})

const heartbeats = (every: Duration.Duration) =>
  beat.pipe(
    Effect.catch((error) =>
      Effect.andThen(
        WorkerState.update(() => ({ connected: false })),
        Effect.logWarning("heartbeat not answered", { problem: error.message })
      )
    ),
    Effect.delay(every),
    Effect.forever
  )

/** The trials of encoders take all of a small machine for seconds: they give way to the first heartbeat for so long. */
const firstWord = "2 seconds"

/**
 * Says that this worker is there, then finds out what it can do, and says that: nothing is claimed before. Waits for an
 * API that is not there yet, and gets to know its machine meanwhile; gives up at once on one that does not want it.
 */
export const introduce = Effect.fnUntraced(function* (heartbeatEvery: Duration.Duration) {
  const { discover } = yield* Encoders
  const asked = yield* Deferred.make<void>()
  const introduction = Effect.ensuring(beat, Deferred.succeed(asked, undefined)).pipe(
    Effect.tapError((error) =>
      error._tag === "ApiUnavailable"
        ? Effect.logWarning("waiting for the Worker API", { problem: error.message })
        : Effect.void
    ),
    Effect.retry({
      while: (error) => error._tag === "ApiUnavailable",
      schedule: Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("15 seconds")])
    })
  )
  // Trials take long where a driver hangs: the worker is not gone meanwhile.
  const known = Effect.andThen(introduction, Effect.forkScoped(heartbeats(heartbeatEvery)))
  const discovery = Effect.andThen(Effect.timeoutOption(Deferred.await(asked), firstWord), discover)
  const [, capabilities] = yield* Effect.all([known, discovery], { concurrency: 2 })
  yield* introduction
  return capabilities
})

/** A GPU that fell off its bus, or whose sessions were taken, may come back; one that rests may have gone. */
export const rechecks = Effect.gen(function* () {
  const { recheck } = yield* Encoders
  return yield* recheck.pipe(Effect.delay("5 minutes"), Effect.forever)
})
