/** What Prometheus is told of this process and, asked of the database at each scrape, of the farm. */
import { Effect, Metric } from "effect"
import type { Figures } from "../../../domain/ports/FarmFigures.ts"

export const httpInProgress = Metric.gauge("vlog_http_requests_in_progress", {
  description: "Requests that are being answered",
  attributes: { api: "worker" }
})

const httpRequests = Metric.counter("vlog_http_requests_total", {
  description: "Requests that were answered",
  incremental: true
})

const httpSeconds = Metric.histogram("vlog_http_request_duration_seconds", {
  description: "Seconds from a request to its answer",
  boundaries: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
})

/** The path is the route's pattern: names of segments would be a label each. */
export const observeRequest = (request: {
  readonly method: string
  readonly endpoint: string
  readonly status: number
  readonly seconds: number
}) => {
  const { endpoint, method } = request
  return Effect.andThen(
    Metric.update(
      Metric.withAttributes(httpRequests, { method, endpoint, status_code: String(request.status), api: "worker" }),
      1
    ),
    Metric.update(Metric.withAttributes(httpSeconds, { method, endpoint }), request.seconds)
  )
}

const jobs = Metric.counter("vlog_transcoding_jobs_total", {
  description: "Attempts that were started, and how they ended",
  incremental: true
})

export const countJob = (status: "started" | "completed" | "failed" | "retried") =>
  Metric.update(Metric.withAttributes(jobs, { status }), 1)

const completedBy = Metric.counter("vlog_worker_jobs_completed_total", {
  description: "Jobs that each worker completed",
  incremental: true
})

export const countCompletedBy = (name: string) =>
  Metric.update(Metric.withAttributes(completedBy, { worker_name: labelOf(name) }), 1)

/** Names of workers are chosen by people. */
const labelOf = (name: string) => name.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 50)

const heartbeats = Metric.counter("vlog_worker_heartbeat_total", {
  description: "Heartbeats of each worker",
  incremental: true
})

export const countHeartbeat = (worker: string) =>
  Metric.update(Metric.withAttributes(heartbeats, { worker_id: worker, result: "success" }), 1)

export const bytesWritten = Metric.counter("vlog_storage_bytes_written_total", {
  description: "Bytes of uploads that were stored",
  incremental: true
})

/** An alert on a rate needs the counter before the first event. */
export const touchCounters = Effect.forEach(["started", "completed", "failed", "retried"] as const, (status) =>
  Metric.update(Metric.withAttributes(jobs, { status }), 0)
).pipe(Effect.andThen(Metric.update(bytesWritten, 0)))

const gauge = (name: string, description: string, value: number, attributes: Readonly<Record<string, string>> = {}) =>
  Metric.update(Metric.gauge(name, { description, attributes: { ...attributes } }), value)

const workerStates = ["active", "idle", "busy", "offline", "disabled"] as const

export const showFigures = (figures: Figures) =>
  Effect.all(
    [
      gauge("vlog_transcoding_queue_size", "Tasks that wait for a worker", figures.queued),
      gauge("vlog_transcoding_jobs_active", "Tasks that workers hold", figures.active),
      ...Object.entries(figures.videos).map(([status, count]) =>
        gauge("vlog_videos_total", "Videos, by what can be done with them", count, { status })
      ),
      ...workerStates.map((status) =>
        gauge(
          "vlog_workers_total",
          "Workers, by what they said last",
          figures.workers.filter((worker) => worker.status === status).length,
          { status }
        )
      ),
      ...figures.workers.flatMap(({ heartbeatAgeSeconds, name, status }) =>
        heartbeatAgeSeconds === null || status === "disabled"
          ? []
          : [
              gauge("vlog_worker_heartbeat_age_seconds", "Seconds since a worker was heard of", heartbeatAgeSeconds, {
                worker_name: labelOf(name)
              })
            ]
      )
    ],
    { discard: true }
  )
