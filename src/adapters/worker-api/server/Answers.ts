/** Videos and jobs as operators are shown them. */
import { manifestName } from "../../../domain/media/DashManifest.ts"
import { masterName } from "../../../domain/media/HlsPlaylist.ts"
import { hasManifest, type Published, renditionsOf } from "../../../domain/media/PlaylistPresentation.ts"
import type { Attempt } from "../../../domain/jobs/Attempt.ts"
import { furthestBehind, type Job } from "../../../domain/jobs/Job.ts"
import * as Progress from "../../../domain/jobs/Progress.ts"
import type { Video } from "../../../domain/videos/Video.ts"
import type { JobAnswer, JobDetail, JobTaskAnswer } from "../contract/Jobs.ts"
import type { VideoAnswer, VideoDetail } from "../contract/Videos.ts"

export const videoAnswer = (video: Video): typeof VideoAnswer.Type => ({
  id: video.id,
  slug: video.slug,
  title: video.title,
  status: video.status,
  source_filename: video.source.fileName,
  source_bytes: video.source.bytes,
  source_sha256: video.source.sha256,
  duration: video.facts?.duration ?? null,
  width: video.facts?.width ?? null,
  height: video.facts?.height ?? null,
  created_at: video.createdAt,
  published_at: video.publishedAt
})

/** A job is shown as one task. */
export const jobAnswer = (job: Job): typeof JobAnswer.Type => {
  const shown = furthestBehind(job)
  return {
    id: job.id,
    video_id: job.videoId,
    video_slug: job.slug,
    status: job.status,
    priority: job.priority,
    attempt: shown?.attempt ?? 0,
    max_attempts: shown?.maxAttempts ?? 0,
    worker_name: shown?.workerName ?? null,
    progress: shown?.progress ?? Progress.none,
    last_error: job.lastError ?? shown?.lastError ?? null,
    created_at: job.createdAt,
    ended_at: job.endedAt
  }
}

const attemptAnswer = (attempt: Attempt): (typeof JobTaskAnswer.Type)["attempts"][number] => ({
  lease_id: attempt.leaseId,
  attempt: attempt.attempt,
  worker_id: attempt.worker,
  worker_name: attempt.workerName,
  claimed_at: attempt.claimedAt,
  ended_at: attempt.endedAt,
  outcome: attempt.outcome,
  error: attempt.error,
  stderr: attempt.stderr,
  notes: attempt.notes
})

export const jobDetail = (job: Job, attempts: ReadonlyArray<Attempt>): typeof JobDetail.Type => ({
  ...jobAnswer(job),
  tasks: job.tasks.map((task) => ({
    id: task.id,
    kind: task.kind,
    state: task.state,
    attempt: task.attempt,
    max_attempts: task.maxAttempts,
    worker_name: task.workerName,
    progress: task.progress ?? Progress.none,
    last_error: task.lastError,
    attempts: attempts.filter(({ taskId }) => taskId === task.id).map(attemptAnswer)
  }))
})

export const publicationAnswer = (
  { published, slug }: Video,
  presentation: Published
): (typeof VideoDetail.Type)["publication"] =>
  published === null
    ? null
    : {
        id: published,
        watch: `/watch/${slug}`,
        hls: `/videos/${slug}/${masterName}`,
        dash: hasManifest(presentation) ? `/videos/${slug}/${manifestName}` : null,
        renditions: renditionsOf(presentation).map(({ name }) => name)
      }
