/** What a worker counts. Names and units are those of Prometheus; docs/MONITORING.md explains each. */
import { Clock, Effect, Metric } from "effect"
import { FailureReason } from "../jobs/FailureReason.ts"
import type { Encoder } from "../media/Encoder.ts"

const tasksEnded = Metric.counter("vlog_worker_tasks_total", {
  description: "Attempts at tasks that ended, by how and why",
  incremental: true
})

export const taskSeconds = Metric.histogram("vlog_worker_task_seconds", {
  description: "Seconds from the claim to the end of an attempt",
  boundaries: [5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400]
})

const stepSeconds = Metric.histogram("vlog_worker_step_seconds", {
  description: "Seconds that a step of an attempt took, by step, however it ended",
  boundaries: [0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400]
})

const framesEncoded = Metric.counter("vlog_worker_frames_encoded_total", {
  description: "Pictures encoded, by encoder; each counted once however many renditions it went into",
  incremental: true
})

const encodeSpeed = Metric.histogram("vlog_worker_encode_speed_ratio", {
  description: "Seconds of film encoded in a second, whole ladder, by encoder; below 1 is slower than real time",
  boundaries: [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 50]
})

const encoderFailures = Metric.counter("vlog_worker_encoder_failures_total", {
  description:
    "Times that a device failed a task, had no session left for it, or does not take such pictures, by encoder",
  incremental: true
})

export const framesEncodedBy = (encoder: Encoder) => Metric.withAttributes(framesEncoded, { encoder: encoder.name })
export const encodeSpeedBy = (encoder: Encoder) => Metric.withAttributes(encodeSpeed, { encoder: encoder.name })
export const encoderFailuresOf = (encoder: Encoder) => Metric.withAttributes(encoderFailures, { encoder: encoder.name })

export const bytesDownloaded = Metric.counter("vlog_worker_downloaded_bytes_total", {
  description: "Bytes of sources that were downloaded whole",
  incremental: true
})

export const uploadSeconds = Metric.histogram("vlog_worker_upload_seconds", {
  description: "Seconds of the upload of one file, with its repetitions",
  boundaries: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
})

export const bytesUploaded = Metric.counter("vlog_worker_uploaded_bytes_total", {
  description: "Bytes of finished files that the Worker API has taken",
  incremental: true
})

export const heartbeatAnswered = Metric.gauge("vlog_worker_last_heartbeat_timestamp_seconds", {
  description: "When the Worker API last answered a heartbeat"
})

export const heartbeatsFailed = Metric.counter("vlog_worker_heartbeat_failures_total", {
  description: "Heartbeats that the Worker API did not answer",
  incremental: true
})

export interface Ending {
  readonly outcome: "done" | "failed" | "released" | "lost"
  readonly reason: "none" | "stopped" | "unreachable" | "lease" | FailureReason
}

const endings: ReadonlyArray<Ending> = [
  { outcome: "done", reason: "none" },
  { outcome: "released", reason: "stopped" },
  { outcome: "released", reason: "unreachable" },
  { outcome: "lost", reason: "lease" },
  ...FailureReason.literals
    .filter((reason) => reason !== "unknown")
    .map((reason) => ({ outcome: "failed" as const, reason }))
]

export const taskEnded = (ending: Ending) => Metric.withAttributes(tasksEnded, { ...ending })

export const steps = ["download", "probe", "encode", "verify", "publish"] as const

const stepOf = (step: (typeof steps)[number]) => Metric.withAttributes(stepSeconds, { step })

/** A step of an attempt has a span, and its seconds are counted, also when it fails. */
export const inStep =
  (step: (typeof steps)[number], attributes: Readonly<Record<string, unknown>> = {}) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Clock.monotonicTimeNanos, (began) =>
      Effect.onExit(Effect.withSpan(effect, step, { attributes }), () =>
        Effect.flatMap(Clock.monotonicTimeNanos, (ended) => Metric.update(stepOf(step), Number(ended - began) / 1e9))
      )
    )

/** A series that does not exist until something goes wrong cannot be alerted on: to look at one makes it exist. */
const touch = (metrics: ReadonlyArray<Metric.Metric<never, unknown>>) =>
  Effect.forEach(metrics, Metric.value, { discard: true })

export const touchMetrics = touch([
  ...endings.map(taskEnded),
  ...steps.map(stepOf),
  taskSeconds,
  bytesDownloaded,
  uploadSeconds,
  bytesUploaded,
  heartbeatAnswered,
  heartbeatsFailed
])

export const touchEncoders = (encoders: ReadonlyArray<Encoder>) =>
  touch(encoders.flatMap((encoder) => [framesEncodedBy(encoder), encodeSpeedBy(encoder), encoderFailuresOf(encoder)]))
