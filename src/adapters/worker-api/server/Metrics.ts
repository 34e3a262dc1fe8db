/** What this process counts. Names and units are those of Prometheus; docs/MONITORING.md explains each. */
import { Effect, Metric, Schema } from "effect"
import { FailureReason } from "../../../domain/jobs/FailureReason.ts"
import type { Job } from "../../../domain/jobs/Job.ts"

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
  description: "Attempts that were started, and what workers said of their end",
  incremental: true
})

const jobStatuses = ["started", "completed", "failed", "retried"] as const

const jobsBy = (status: (typeof jobStatuses)[number]) => Metric.withAttributes(jobs, { status })

export const countJob = (status: (typeof jobStatuses)[number]) => Metric.update(jobsBy(status), 1)

const attempts = Metric.counter("vlog_attempts_total", {
  description: "Attempts that ended, by how and why",
  incremental: true
})

interface Ending {
  readonly outcome: "done" | "failed" | "released" | "expired" | "cancelled"
  readonly reason: "none" | FailureReason
}

const attemptsBy = (ending: Ending) => Metric.withAttributes(attempts, { ...ending })

export const countAttempts = (outcome: Exclude<Ending["outcome"], "failed">, count = 1) =>
  Metric.update(attemptsBy({ outcome, reason: "none" }), count)

const isReason = Schema.is(FailureReason)

/** What a worker says is its own choice of words: only those that are known become a label. */
export const countFailedAttempt = (reason: string | null | undefined) =>
  Metric.update(attemptsBy({ outcome: "failed", reason: isReason(reason) ? reason : "unknown" }), 1)

const jobSeconds = Metric.histogram("vlog_transcoding_job_duration_seconds", {
  description: "Seconds from the moment that a job was queued to its publication",
  boundaries: [30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400]
})

const publications = Metric.counter("vlog_publications_total", {
  description: "Outputs that were published",
  incremental: true
})

const completedBy = Metric.counter("vlog_worker_jobs_completed_total", {
  description: "Attempts that each worker completed",
  incremental: true
})

/** Of a task that was completed, with its job as it is then. */
export const countCompleted = Effect.fnUntraced(function* (job: Job | null, worker: string | null) {
  yield* countJob("completed")
  yield* countAttempts("done")
  if (worker !== null) yield* Metric.update(Metric.withAttributes(completedBy, { worker_name: labelOf(worker) }), 1)
  if (job === null || job.endedAt === null || job.published === null) return
  yield* Metric.update(publications, 1)
  yield* Metric.update(jobSeconds, (job.endedAt.getTime() - job.createdAt.getTime()) / 1000)
})

/** Names of workers are chosen by people. */
export const labelOf = (name: string) => name.replace(/[^A-Za-z0-9_-]/g, "_").slice(0, 50)

const heartbeats = Metric.counter("vlog_worker_heartbeat_total", {
  description: "Heartbeats of each worker",
  incremental: true
})

export const countHeartbeat = (worker: string) =>
  Metric.update(Metric.withAttributes(heartbeats, { worker_id: worker, result: "success" }), 1)

const bytesWritten = Metric.counter("vlog_storage_bytes_written_total", {
  description: "Bytes of segments that were stored",
  incremental: true
})

const segmentSeconds = Metric.histogram("vlog_segment_upload_seconds", {
  description: "Seconds from the request that brings a segment until it is on the disk and registered",
  boundaries: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
})

export const observeSegment = (segment: {
  readonly written: boolean
  readonly bytes: number
  readonly seconds: number
}) =>
  segment.written
    ? Effect.andThen(Metric.update(bytesWritten, segment.bytes), Metric.update(segmentSeconds, segment.seconds))
    : Effect.void

const uploads = Metric.counter("vlog_video_uploads_total", {
  description: "Uploads of videos, by whether the video was taken",
  incremental: true
})

const uploadResults = ["success", "failed"] as const

export const uploadsBy = (result: (typeof uploadResults)[number]) => Metric.withAttributes(uploads, { result })

const sourceBytes = Metric.counter("vlog_video_upload_bytes_total", {
  description: "Bytes of the videos that were taken",
  incremental: true
})

export const countUpload = (bytes: number) =>
  Effect.andThen(Metric.update(uploadsBy("success"), 1), Metric.update(sourceBytes, bytes))

const counters: ReadonlyArray<Metric.Metric<never, unknown>> = [
  ...jobStatuses.map(jobsBy),
  ...(["done", "released", "expired", "cancelled"] as const).map((outcome) => attemptsBy({ outcome, reason: "none" })),
  ...FailureReason.literals.map((reason) => attemptsBy({ outcome: "failed", reason })),
  jobSeconds,
  publications,
  bytesWritten,
  segmentSeconds,
  ...uploadResults.map(uploadsBy),
  sourceBytes
]

/** An alert on a rate needs the series before the first event: to look at one makes it exist. */
export const touchCounters = Effect.forEach(counters, Metric.value, { discard: true })
