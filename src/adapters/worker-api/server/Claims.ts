/** What a worker is told that asked for a task. */
import type { ClaimedTask } from "../../../domain/ports/JobStore.ts"
import { attemptTrace } from "../../../domain/telemetry/TraceContext.ts"
import type { SourceFacts } from "../../../domain/videos/Video.ts"
import type { ClaimAnswer } from "../contract/Worker.ts"

export const noJob: typeof ClaimAnswer.Type = {
  job_id: null,
  video_id: null,
  video_slug: null,
  video_duration: null,
  source_width: null,
  source_height: null,
  source_filename: null,
  claim_expires_at: null,
  existing_qualities: null,
  message: "No jobs available"
}

export const claimAnswer = (
  task: ClaimedTask,
  facts: SourceFacts | null,
  leaseSeconds: number
): typeof ClaimAnswer.Type => ({
  job_id: task.jobId,
  video_id: task.videoId,
  video_slug: task.slug,
  video_duration: facts?.duration ?? 0,
  source_width: facts?.width ?? 0,
  source_height: facts?.height ?? 0,
  source_filename: `${task.videoId}${task.source.extension}`,
  claim_expires_at: task.expiresAt,
  existing_qualities: null,
  message: "Job claimed successfully",
  lease_id: task.leaseId,
  lease_seconds: leaseSeconds,
  attempt: task.attempt,
  ...(task.trace === null ? {} : { trace: attemptTrace(task.trace, task.leaseId) }),
  task: {
    id: task.taskId,
    kind: task.kind,
    first_frame: task.firstFrame,
    frame_count: task.frameCount,
    source: {
      file_name: task.source.fileName,
      extension: task.source.extension,
      bytes: task.source.bytes,
      sha256: task.source.sha256
    },
    codec: task.codec
  }
})
