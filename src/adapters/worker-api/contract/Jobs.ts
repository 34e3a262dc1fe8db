/** What operators ask of jobs. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { JobId, LeaseId, TaskId, VideoId, WorkerId } from "../../../domain/ids.ts"
import { AttemptOutcome } from "../../../domain/jobs/Attempt.ts"
import { JobStatus } from "../../../domain/jobs/Job.ts"
import { Progress } from "../../../domain/jobs/Progress.ts"
import { TaskKind, TaskState } from "../../../domain/jobs/Task.ts"
import { AdminAuth } from "./Auth.ts"
import { Conflict, NotFound, Unavailable } from "./Errors.ts"
import { integerFrom, IntegerText, paging, pageFields } from "./Fields.ts"

export const Priority = integerFrom(-100, 100)

export const JobAnswer = Schema.Struct({
  id: JobId,
  video_id: VideoId,
  video_slug: Schema.String,
  status: JobStatus,
  priority: Schema.Int,
  attempt: Schema.Int,
  max_attempts: Schema.Int,
  worker_name: Schema.NullOr(Schema.String),
  progress: Progress,
  last_error: Schema.NullOr(Schema.String),
  created_at: Schema.DateFromString,
  ended_at: Schema.NullOr(Schema.DateFromString)
})

const AttemptAnswer = Schema.Struct({
  lease_id: LeaseId,
  /** Counts from 1, and from 1 again after a retry of the job. */
  attempt: Schema.Int,
  worker_id: Schema.NullOr(WorkerId),
  worker_name: Schema.NullOr(Schema.String),
  claimed_at: Schema.DateFromString,
  ended_at: Schema.NullOr(Schema.DateFromString),
  outcome: Schema.NullOr(AttemptOutcome),
  error: Schema.NullOr(Schema.String),
  /** The last lines that ffmpeg wrote. */
  stderr: Schema.NullOr(Schema.String),
  /** What the worker said of its work: the encoder it used, and devices that failed before. */
  notes: Schema.Array(Schema.String)
})

export const JobTaskAnswer = Schema.Struct({
  id: TaskId,
  kind: TaskKind,
  state: TaskState,
  attempt: Schema.Int,
  max_attempts: Schema.Int,
  worker_name: Schema.NullOr(Schema.String),
  progress: Progress,
  last_error: Schema.NullOr(Schema.String),
  /** Oldest first. */
  attempts: Schema.Array(AttemptAnswer)
})

export const JobDetail = Schema.Struct({ ...JobAnswer.fields, tasks: Schema.Array(JobTaskAnswer) })

const params = { job_id: IntegerText.pipe(Schema.decodeTo(JobId)) }

export class JobGroup extends HttpApiGroup.make("jobs")
  .add(
    HttpApiEndpoint.get("list", "/api/jobs", {
      query: { ...paging, status: Schema.optionalKey(JobStatus), video: Schema.optionalKey(Schema.String) },
      success: Schema.Struct({ jobs: Schema.Array(JobAnswer), ...pageFields }),
      error: Unavailable
    }).annotateMerge(
      OpenApi.annotations({
        summary: "List jobs",
        description: "Newest first. `video` is a slug; one that nobody has gives an empty list."
      })
    ),
    HttpApiEndpoint.get("show", "/api/jobs/:job_id", {
      params,
      success: JobDetail,
      error: [NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Show a job with its tasks and all their attempts" })),
    HttpApiEndpoint.post("retry", "/api/jobs/:job_id/retry", {
      params,
      success: JobAnswer,
      error: [NotFound, Conflict, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Queue a failed or cancelled job again",
        description:
          "Its unfinished tasks get all their attempts again; what is finished stays finished, and the history is kept. " +
          "409 for a job that waits or runs, for one that is done (transcode its video again instead), and while another " +
          "job of its video is active."
      })
    ),
    HttpApiEndpoint.post("cancel", "/api/jobs/:job_id/cancel", {
      params,
      success: JobAnswer,
      error: [NotFound, Conflict, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "End a job",
        description:
          "Running leases end at once: the workers are told with their next heartbeat, and every further write of theirs " +
          "gets 409. A cancelled job is answered the same again; 409 for one that is done or failed."
      })
    ),
    HttpApiEndpoint.patch("update", "/api/jobs/:job_id", {
      params,
      payload: Schema.Struct({ priority: Priority }),
      success: JobAnswer,
      error: [NotFound, Conflict, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Change the priority of a job that waits or runs",
        description: "From -100 to 100; a higher one is claimed first. 409 for a job that has ended."
      })
    )
  )
  .middleware(AdminAuth) {}
