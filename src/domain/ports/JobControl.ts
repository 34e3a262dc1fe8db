/** What an operator may do with jobs. */
import type { Effect } from "effect"
import { Context, Schema } from "effect"
import type { JobId, VideoId } from "../ids.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

/**
 * The job stays as it is. `active`: it waits or runs. `busy`: another job of its video does. `done`, `failed` and
 * `cancelled`: it has ended so. `not-found`: there is no such job, or no such video.
 */
export class JobRefused extends Schema.TaggedError<JobRefused>()("JobRefused", {
  reason: Schema.Literals(["not-found", "active", "busy", "done", "failed", "cancelled"])
}) {
  override get message() {
    return refusals[this.reason]
  }
}

const refusals = {
  "not-found": "There is no such job",
  active: "The job is active already",
  busy: "Another job of this video is active: wait for it, or cancel it",
  done: "The job is done. To make its video again, transcode the video: that is a new job",
  failed: "The job has failed. Retry it, and it is active again",
  cancelled: "The job was cancelled. Retry it, and it is active again"
} as const

export class JobControl extends Context.Service<
  JobControl,
  {
    /**
     * Queues a failed or cancelled job again: what is finished of it stays finished, the rest gets all its attempts anew.
     * The history of attempts is kept.
     */
    retry(job: JobId): Effect.Effect<void, JobRefused | StoreUnavailable>

    /** Ends an active job and its workers' leases, and says how many. One that is cancelled already is left alone. */
    cancel(job: JobId): Effect.Effect<number, JobRefused | StoreUnavailable>

    /** Changes the priority of an active job and of its unfinished tasks. */
    prioritise(job: JobId, priority: number): Effect.Effect<void, JobRefused | StoreUnavailable>

    /** A new job for a video whose earlier ones have all ended. */
    transcode(video: VideoId, priority: number): Effect.Effect<JobId, JobRefused | StoreUnavailable>
  }
>()("vlog/domain/ports/JobControl") {}
