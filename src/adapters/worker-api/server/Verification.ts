/** Whether a job's output is really there, for a worker that would like to throw its own copy away. */
import { Effect, Option } from "effect"
import type { JobId, WorkerId } from "../../../domain/ids.ts"
import { manifestName } from "../../../domain/media/DashManifest.ts"
import { masterName } from "../../../domain/media/HlsPlaylist.ts"
import { hasManifest, renditionsOf } from "../../../domain/media/PlaylistPresentation.ts"
import type { JobStore } from "../../../domain/ports/JobStore.ts"
import type { MediaStore } from "../../../domain/ports/MediaStore.ts"
import type { VideoStore } from "../../../domain/ports/VideoStore.ts"
import { Forbidden, NotFound } from "../contract/Errors.ts"
import type { VerifyAnswer } from "../contract/Worker.ts"
import { unavailable } from "./Refusals.ts"

const videoStates = { queued: "pending", running: "processing", done: "ready", failed: "failed", cancelled: "failed" }

export const verify = Effect.fn("verify")(
  function* (
    stores: {
      readonly jobs: JobStore["Service"]
      readonly videos: VideoStore["Service"]
      readonly media: MediaStore["Service"]
    },
    id: JobId,
    worker: WorkerId
  ) {
    const found = yield* stores.jobs.job(id)
    if (Option.isNone(found)) return yield* new NotFound({ detail: "Job not found" })
    const job = found.value
    if (!job.tasks.some((task) => task.worker === worker)) return yield* new Forbidden({ detail: "Not your job" })
    const answer: typeof VerifyAnswer.Type = {
      job_id: id,
      video_id: job.videoId,
      video_slug: job.slug,
      video_status: videoStates[job.status],
      job_completed: job.status === "done",
      all_files_present: false,
      qualities_present: [],
      missing_files: []
    }
    const published =
      job.published === null ? Option.none() : yield* stores.videos.publication(job.videoId, job.published)
    if (job.published === null || Option.isNone(published)) return { ...answer, missing_files: ["video_directory"] }
    const renditions = renditionsOf(published.value)
    const wanted = [
      masterName,
      ...(hasManifest(published.value) ? [manifestName] : []),
      ...renditions.map(({ playlist }) => playlist)
    ]
    const missing = new Set(yield* stores.media.missing(job.published, wanted))
    return {
      ...answer,
      all_files_present: missing.size === 0,
      qualities_present: renditions.filter(({ playlist }) => !missing.has(playlist)).map(({ name }) => name),
      missing_files: [
        ...[masterName, manifestName].filter((name) => missing.has(name)),
        ...renditions.filter(({ playlist }) => missing.has(playlist)).map(({ name }) => `quality:${name}`)
      ]
    }
  },
  Effect.catchTag("StoreUnavailable", unavailable)
)
