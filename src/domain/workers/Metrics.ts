/** What a worker counts. Names and units are those of Prometheus. */
import { Effect, Metric } from "effect"

const tasksEnded = Metric.counter("vlog_worker_tasks_total", {
  description: "Attempts at tasks that ended, by how: done, failed, released or lost",
  incremental: true
})

export const taskSeconds = Metric.histogram("vlog_worker_task_seconds", {
  description: "Seconds from the claim to the end of an attempt",
  boundaries: [5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400]
})

export const framesEncoded = Metric.counter("vlog_worker_frames_encoded_total", {
  description: "Pictures encoded, each counted once however many renditions it went into",
  incremental: true
})

export const bytesUploaded = Metric.counter("vlog_worker_uploaded_bytes_total", {
  description: "Bytes of finished files that the Worker API has taken",
  incremental: true
})

export const encoderFailures = Metric.counter("vlog_worker_encoder_failures_total", {
  description: "Times that a device failed a task, or had no session left for it, by encoder",
  incremental: true
})

export const outcomes = ["done", "failed", "released", "lost"] as const
export type Outcome = (typeof outcomes)[number]

export const taskEnded = (outcome: Outcome) => Metric.withAttributes(tasksEnded, { outcome })

/** A series that does not exist until something goes wrong cannot be alerted on: each starts at nought. */
export const touchMetrics = Effect.forEach(
  [...outcomes.map(taskEnded), framesEncoded, bytesUploaded],
  (counter) => Metric.update(counter, 0),
  { discard: true }
)
