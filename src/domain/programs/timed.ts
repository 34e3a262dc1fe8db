/** How long something took. */
import { Clock, Effect } from "effect"

/** Adds the seconds that an effect took, by the clock that never jumps. */
export const timed = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const start = yield* Clock.monotonicTimeNanos
  const value = yield* effect
  const seconds = Math.round(Number((yield* Clock.monotonicTimeNanos) - start) / 1e6) / 1e3
  return [value, seconds] as const
})
