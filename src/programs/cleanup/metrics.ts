/** What a cleanup did, as metrics. */
import { Clock, Effect, Metric } from "effect"
import type { CleanupReport } from "../../domain/programs/Cleanup.ts"

const lastRun = Metric.gauge("vlog_cleanup_last_run_timestamp_seconds", { description: "When a cleanup ended last" })
const duration = Metric.gauge("vlog_cleanup_duration_seconds", { description: "Seconds that the last cleanup took" })
const things = Metric.gauge("vlog_cleanup_things", {
  description: "What the last cleanup took back or removed, by kind"
})
const breaches = Metric.gauge("vlog_audit_breaches", { description: "Invariants that did not hold in the last audit" })

export const updateCleanup = Effect.fnUntraced(function* (report: CleanupReport, seconds: number) {
  const kinds = {
    requeued: report.requeued,
    failed: report.failed,
    offline: report.offline.length,
    attempts: report.attempts.length,
    videos: report.videos.length,
    temporaries: report.temporaries.length,
    uploads: report.uploads.length,
    history: report.forgotten
  }
  yield* Metric.update(lastRun, (yield* Clock.currentTimeMillis) / 1000)
  yield* Metric.update(duration, seconds)
  yield* Metric.update(breaches, report.breaches.length)
  yield* Effect.forEach(Object.entries(kinds), ([kind, count]) =>
    Metric.update(Metric.withAttributes(things, { kind }), count)
  )
})
