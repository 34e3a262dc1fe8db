/** What a program that runs for long measures of its own process. */
import { Effect, Metric } from "effect"
import { eventLoop } from "../process/eventLoop.ts"

const cpu = Metric.counter("process_cpu_seconds_total", {
  description: "Processor time of the program itself, without its child processes",
  incremental: true
})
const memory = Metric.gauge("process_resident_memory_bytes", {
  description: "Memory of the program itself, without its child processes"
})
const started = Metric.gauge("process_start_time_seconds", { description: "When the program started" })
const lag = Metric.gauge("vlog_event_loop_lag_seconds", {
  description: "The longest that anything in the program waited for its turn since the last look"
})
const info = Metric.gauge("vlog_info", { description: "Always 1; which program of which version this is" })

/** Gives the effect that measures. It has a view of the event loop of its own, which nobody else's look shortens. */
export const makeProcessMetrics = Effect.fnUntraced(function* (program: string, version: string) {
  const { worst } = yield* eventLoop
  let counted = 0
  const sample = Effect.gen(function* () {
    const { system, user } = process.cpuUsage()
    const used = (system + user) / 1e6
    yield* Metric.update(cpu, used - counted)
    counted = used
    yield* Metric.update(memory, process.memoryUsage.rss())
    yield* Metric.update(started, Math.floor(performance.timeOrigin / 1000))
    yield* Metric.update(lag, (yield* worst) / 1000)
    yield* Metric.update(Metric.withAttributes(info, { program, version }), 1)
  })
  return { sample }
})
