/** What workers report, in the words of the domain. */
import { Effect } from "effect"
import type { LeaseId } from "../../../domain/ids.ts"
import { type Account, bounded } from "../../../domain/jobs/Attempt.ts"
import type { Progress } from "../../../domain/jobs/Progress.ts"
import type { Holder } from "../../../domain/ports/JobStore.ts"
import type { SourceFacts } from "../../../domain/videos/Video.ts"
import { CallingWorker, leaseHeader } from "../contract/Auth.ts"
import type { ProgressReport } from "../contract/Worker.ts"

export const holderOf = Effect.fnUntraced(function* (headers: { readonly [leaseHeader]?: LeaseId }) {
  const worker = yield* CallingWorker
  return { worker: worker.id, lease: headers[leaseHeader] ?? null } satisfies Holder
})

export const accountOf = (report: {
  readonly stderr_tail?: string | null
  readonly notes?: ReadonlyArray<string> | null
}): Account => bounded({ stderr: report.stderr_tail ?? null, notes: report.notes ?? [] })

export const factsOf = (report: {
  readonly duration?: number | null
  readonly source_width?: number | null
  readonly source_height?: number | null
}): SourceFacts | null =>
  typeof report.duration === "number" &&
  typeof report.source_width === "number" &&
  typeof report.source_height === "number"
    ? { duration: report.duration, width: report.source_width, height: report.source_height }
    : null

export const progressOf = (report: typeof ProgressReport.Type): Progress => ({
  step: report.current_step ?? null,
  percent: report.progress_percent,
  renditions: (report.quality_progress ?? []).map((quality) => ({
    name: quality.name,
    status: quality.status,
    percent: quality.progress,
    speed: quality.speed ?? null,
    secondsLeft: quality.seconds_left ?? null,
    ...(typeof quality.segments_completed === "number"
      ? { segments: { completed: quality.segments_completed, total: quality.segments_total ?? null } }
      : {})
  }))
})
