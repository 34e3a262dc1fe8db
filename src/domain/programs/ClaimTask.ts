/** From a worker that asks to a task in its hands, now or within a time. */
import { Clock, Duration, Effect, Option } from "effect"
import { JobSignal } from "../ports/JobSignal.ts"
import { JobStore } from "../ports/JobStore.ts"

/** A task whose pause after a failure ends is announced by nobody. */
const lookAgainAfter = Duration.seconds(5)

export const claimTask = Effect.fn("claimTask")(function* (
  options: Parameters<JobStore["Service"]["claim"]>[0],
  wait: Duration.Duration
) {
  const jobs = yield* JobStore
  const signal = yield* JobSignal
  const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(wait)
  while (true) {
    const announced = yield* signal.watch
    const claimed = yield* jobs.claim(options)
    const left = Duration.millis(until - (yield* Clock.currentTimeMillis))
    if (Option.isSome(claimed) || !Duration.isPositive(left)) return claimed
    yield* Effect.raceFirst(announced, Effect.sleep(Duration.min(left, lookAgainAfter)))
  }
})
