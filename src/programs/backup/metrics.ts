/** The status of the backups as metrics. */
import { Effect, Metric } from "effect"
import type { BackupStatus } from "../../domain/backups/BackupStatus.ts"

const gauge = (name: string, description: string) => Metric.gauge(name, { description })

const lastSuccess = gauge(
  "vlog_backup_last_success_timestamp_seconds",
  "Moment whose data the newest good backup holds"
)
const lastLevel = gauge("vlog_backup_last_verified_level", "Verification level that the newest backup reached")
const size = gauge("vlog_backup_size_bytes", "Size of the newest backup")
const duration = gauge("vlog_backup_duration_seconds", "Seconds of the newest backup by phase")
const lastFailure = gauge("vlog_backup_last_failure_timestamp_seconds", "When a backup command failed last")
const reverifyFailures = gauge(
  "vlog_backup_reverify_failures_total",
  "Backups that were good once and are not any more"
)
const lastCopy = gauge(
  "vlog_backup_copy_last_success_timestamp_seconds",
  "Moment whose data the newest good copy in the object storage holds"
)
const recoveryTime = gauge("vlog_backup_drill_recovery_time_seconds", "Seconds that the last restore drill took")
const recoveryPoint = gauge("vlog_backup_drill_recovery_point_seconds", "Age of the data of the last restore drill")

const seconds = (date: Date) => date.getTime() / 1000

export const updateBackup = Effect.fnUntraced(function* (status: BackupStatus) {
  yield* Metric.update(reverifyFailures, status.reverifyFailures)
  if (status.lastSuccess !== null) {
    const { at, bytes, level, seconds: took } = status.lastSuccess
    yield* Metric.update(lastSuccess, seconds(at))
    yield* Metric.update(lastLevel, level)
    yield* Metric.update(size, bytes)
    yield* Metric.update(Metric.withAttributes(duration, { phase: "dump" }), took.dump)
    yield* Metric.update(Metric.withAttributes(duration, { phase: "verification" }), took.verification)
  }
  if (status.lastFailure !== null) yield* Metric.update(lastFailure, seconds(status.lastFailure.at))
  if (status.lastCopy !== null) yield* Metric.update(lastCopy, seconds(status.lastCopy.at))
  if (status.lastDrill !== null) {
    yield* Metric.update(recoveryTime, status.lastDrill.rtoSeconds)
    yield* Metric.update(recoveryPoint, status.lastDrill.rpoSeconds)
  }
})
