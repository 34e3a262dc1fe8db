/** Metrics for node_exporter's textfile collector: they stay when the process that wrote them is gone. */
import { rename, writeFile } from "node:fs/promises"
import { Effect, Metric } from "effect"
import { PrometheusMetrics } from "effect/observability"

/** Only what `update` sets: not what the rest of the process has counted. */
const textOf = Effect.fnUntraced(
  function* (update: Effect.Effect<void>) {
    yield* update
    return yield* PrometheusMetrics.format()
  },
  Effect.provideServiceEffect(
    Metric.MetricRegistry,
    Effect.sync(() => new Map())
  )
)

/**
 * Sets the metrics of this process as well, for a collector that is sent them when it ends. Whoever collects files may
 * look at any moment: the old text or the new. Trouble with it does not fail the command.
 */
export const leaveMetrics = Effect.fnUntraced(
  function* (file: string, update: Effect.Effect<void>) {
    yield* update
    if (file === "") return
    const text = yield* textOf(update)
    yield* Effect.tryPromise(async () => {
      await writeFile(`${file}.new`, text)
      await rename(`${file}.new`, file)
    })
  },
  (effect, file) =>
    Effect.catchCause(effect, () => Effect.logWarning("the metrics could not be written; check the path", { file }))
)
