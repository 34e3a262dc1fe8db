/** What a worker measures of itself when somebody asks. */
import { Effect, Metric, SubscriptionRef } from "effect"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { Encoders } from "../../domain/workers/Encoders.ts"
import { WorkerState } from "../../domain/workers/WorkerState.ts"

const gauge = (name: string, description: string) => Metric.gauge(`vlog_worker_${name}`, { description })

const tasks = gauge("tasks_active", "Tasks in hand")
const room = gauge("tasks_max", "Tasks that it works on at once")
const connected = gauge("api_connected", "1 when the last heartbeat was answered")
const encoders = gauge("encoders", "Encoders that work on this machine, by backend")
const memory = gauge("resident_memory_bytes", "Memory of the worker itself, without ffmpeg")
const cpu = gauge("cpu_seconds", "Processor time of the worker itself, without ffmpeg")
const lag = gauge("event_loop_lag_seconds", "The longest that anything waited for its turn since the last look")

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

export const sample = Effect.fnUntraced(function* (worstLag: Effect.Effect<number>) {
  const state = yield* SubscriptionRef.get(yield* WorkerState)
  const { encoders: working = [], refused = [] } = (yield* (yield* Encoders).capabilities) ?? {}
  const backends = new Set([...working, ...refused.map(({ encoder }) => encoder)].map(({ backend }) => backend))
  const { system, user } = process.cpuUsage()
  yield* Metric.update(tasks, state.tasks)
  yield* Metric.update(room, state.room)
  yield* Metric.update(connected, state.connected ? 1 : 0)
  yield* Metric.update(memory, process.memoryUsage.rss())
  yield* Metric.update(cpu, (system + user) / 1e6)
  yield* Metric.update(lag, (yield* worstLag) / 1000)
  yield* Effect.forEach(backends, (backend) =>
    Metric.update(
      Metric.withAttributes(encoders, { backend }),
      working.filter((encoder) => encoder.backend === backend).length
    )
  )
})
