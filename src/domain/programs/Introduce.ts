/** How a worker makes itself known, and goes on being known: it is there, this is what it can do, and it still can. */
import { Clock, Deferred, type Duration, Effect, Fiber, Metric, Schedule, SubscriptionRef } from "effect"
import { type ApiRefused, type ApiUnavailable, WorkerApi } from "../ports/WorkerApi.ts"
import { describe } from "../media/Encoder.ts"
import { TranscodeFailed } from "../ports/Transcoder.ts"
import type { Capabilities, RefusedEncoder } from "../workers/Capabilities.ts"
import { Encoders } from "../workers/Encoders.ts"
import { heartbeatAnswered, heartbeatsFailed } from "../workers/Metrics.ts"
import { WorkerState } from "../workers/WorkerState.ts"

const beat = Effect.fnUntraced(function* (capabilities: Capabilities | null) {
  const api = yield* WorkerApi
  const { tasks } = yield* SubscriptionRef.get(yield* WorkerState)
  const report = { status: tasks > 0 ? "busy" : "idle", capabilities } as const
  const answer = yield* api.heartbeat(report).pipe(
    Effect.withTracerEnabled(false),
    Effect.tapError(() => Metric.update(heartbeatsFailed, 1))
  )
  yield* Metric.update(heartbeatAnswered, (yield* Clock.currentTimeMillis) / 1000)
  yield* WorkerState.update(() => ({ connected: true, cancelled: answer.cancelled }))
  return answer
})

const beatOfNow = Effect.gen(function* () {
  const { capabilities } = yield* Encoders
  return yield* beat(yield* capabilities)
})

const heartbeats = (every: Duration.Duration) =>
  beatOfNow.pipe(
    Effect.catch((error) =>
      Effect.andThen(
        WorkerState.update(() => ({ connected: false })),
        Effect.logWarning("heartbeat not answered", { problem: error.message })
      )
    ),
    Effect.delay(every),
    Effect.forever
  )

/** Waits for an API that is not there yet, and gives up at once on one that does not want this worker. */
const patiently = <A, E extends { readonly _tag: string; readonly message: string }, R>(call: Effect.Effect<A, E, R>) =>
  call.pipe(
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

/**
 * All else that a worker does at its start takes the whole of a small machine: it gives way to the first heartbeat for
 * so long.
 */
const firstWord = "2 seconds"

/** Over when the API knows that this worker is there. */
export type Greeting = Fiber.Fiber<unknown, ApiRefused | ApiUnavailable>

/**
 * Says that this worker is there, before anything is known of its machine. Goes on saying it for as long as the scope
 * lasts.
 */
export const greet = Effect.gen(function* () {
  const asked = yield* Deferred.make<void>()
  const greeting = yield* Effect.ensuring(beat(null), Deferred.succeed(asked, undefined)).pipe(
    patiently,
    Effect.forkScoped
  )
  yield* Effect.timeoutOption(Deferred.await(asked), firstWord)
  return greeting satisfies Greeting
})

const assertSome = ({ encoders, refused }: Capabilities) =>
  encoders.length > 0
    ? Effect.void
    : new TranscodeFailed({
        reason: "device",
        problem: ["No encoder works on this machine:", ...refused.map(reasonText)].join("\n  "),
        details: ""
      })

const reasonText = ({ encoder, reason }: RefusedEncoder) => `- ${describe(encoder)}: ${reason}`

/** Finds out what this worker can do, whether the API is there yet or not, and says that: nothing is claimed before. */
export const introduce = Effect.fnUntraced(function* (greeting: Greeting, heartbeatEvery: Duration.Duration) {
  const { discover } = yield* Encoders
  // Trials take long where a driver hangs: the worker is not gone meanwhile.
  const known = Effect.andThen(Fiber.join(greeting), Effect.forkScoped(heartbeats(heartbeatEvery)))
  const [, capabilities] = yield* Effect.all([known, Effect.tap(discover, assertSome)], { concurrency: 2 })
  yield* patiently(beatOfNow)
  return capabilities
})

/** A GPU that fell off its bus, or whose sessions were taken, may come back; one that rests may have gone. */
export const rechecks = Effect.gen(function* () {
  const { recheck } = yield* Encoders
  return yield* recheck.pipe(Effect.delay("5 minutes"), Effect.forever)
})
