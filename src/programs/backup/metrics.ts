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
const reverifyFailures = Metric.counter("vlog_backup_reverify_failures_total", {
  description: "Backups that were good once and are not any more",
  incremental: true
})
const copied = gauge(
  "vlog_backup_copy_last_success_timestamp_seconds",
  "Moment whose data the newest good copy in the object storage holds"
)
const drilled = gauge("vlog_backup_drill_timestamp_seconds", "When a restore drill ended last")
const recoveryTime = gauge("vlog_backup_drill_recovery_time_seconds", "Seconds that the last restore drill took")
const recoveryPoint = gauge("vlog_backup_drill_recovery_point_seconds", "Age of the data of the last restore drill")

const seconds = (date: Date | undefined) => (date?.getTime() ?? 0) / 1000

/** What never happened is at 0, so that an alert on its age fires. */
export const updateBackup = Effect.fnUntraced(function* (status: BackupStatus) {
  const { lastCopy, lastDrill, lastFailure: failure, lastSuccess: success } = status
  yield* Metric.update(reverifyFailures, status.reverifyFailures)
  yield* Metric.update(lastSuccess, seconds(success?.at))
  yield* Metric.update(lastLevel, success?.level ?? 0)
  yield* Metric.update(size, success?.bytes ?? 0)
  yield* Metric.update(Metric.withAttributes(duration, { phase: "dump" }), success?.seconds.dump ?? 0)
  yield* Metric.update(Metric.withAttributes(duration, { phase: "verification" }), success?.seconds.verification ?? 0)
  yield* Metric.update(lastFailure, seconds(failure?.at))
  yield* Metric.update(copied, seconds(lastCopy?.at))
  yield* Metric.update(drilled, seconds(lastDrill?.at))
  yield* Metric.update(recoveryTime, lastDrill?.rtoSeconds ?? 0)
  yield* Metric.update(recoveryPoint, lastDrill?.rpoSeconds ?? 0)
})
