/** How long anything waits for its turn. */
import { Effect } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"

/** Milliseconds that the event loop was held up, at worst, since the last time that `worst` was asked. */
export const eventLoop = Effect.gen(function* () {
  const delay = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const histogram = monitorEventLoopDelay({ resolution: 20 })
      histogram.enable()
      return histogram
    }),
    (histogram) => Effect.sync(() => histogram.disable())
  )
  const worst = Effect.sync(() => {
    const millis = delay.max / 1e6
    delay.reset()
    return millis
  })
  return { worst }
})
