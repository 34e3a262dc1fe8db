/** What a worker counts. Names and units are those of Prometheus. */
import { Effect, Metric } from "effect"
import type { Encoder } from "../media/Encoder.ts"

const tasksEnded = Metric.counter("vlog_worker_tasks_total", {
  description: "Attempts at tasks that ended, by how: done, failed, released or lost",
  incremental: true
})

export const taskSeconds = Metric.histogram("vlog_worker_task_seconds", {
  description: "Seconds from the claim to the end of an attempt",
  boundaries: [5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400]
})

const framesEncoded = Metric.counter("vlog_worker_frames_encoded_total", {
  description: "Pictures encoded, by encoder; each counted once however many renditions it went into",
  incremental: true
})

const encodeSpeed = Metric.histogram("vlog_worker_encode_speed_ratio", {
  description: "Seconds of film encoded in a second, whole ladder, by encoder; below 1 is slower than real time",
  boundaries: [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 50]
})

export const framesEncodedBy = (encoder: Encoder) => Metric.withAttributes(framesEncoded, { encoder: encoder.name })
export const encodeSpeedBy = (encoder: Encoder) => Metric.withAttributes(encodeSpeed, { encoder: encoder.name })

export const uploadSeconds = Metric.histogram("vlog_worker_upload_seconds", {
  description: "Seconds of the upload of one file, with its repetitions",
  boundaries: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
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
  [...outcomes.map(taskEnded), bytesUploaded],
  (counter) => Metric.update(counter, 0),
  { discard: true }
)
