/** What operators ask of jobs. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
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

const event = <Name extends string, Data extends Schema.Constraint>(name: Name, data: Data) =>
  Schema.Struct({ id: Schema.optional(Schema.String), event: Schema.Literal(name), data: Schema.fromJsonString(data) })

/** As it is now: any event but the last of a job. */
const JobChanged = event("job", JobAnswer)
/** Done, failed or cancelled. */
const JobEnded = event("end", JobAnswer)
/** There is no such job any more: its video was deleted. */
const JobGone = event("gone", Schema.Struct({ id: JobId }))
/** All that may be shown at the beginning. Not complete: there are too many, list them. */
const JobsStirring = event("jobs", Schema.Struct({ jobs: Schema.Array(JobAnswer), complete: Schema.Boolean }))

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
    HttpApiEndpoint.get("follow", "/api/jobs/:job_id/events", {
      params,
      success: HttpApiSchema.StreamSse({ events: Schema.Union([JobChanged, JobEnded, JobGone]) }),
      error: [NotFound, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Follow a job until it has ended",
        description:
          "Server-sent events. `job` comes at once and whenever something changed, at most four times a second, each with " +
          "the whole state as the list has it, so that whoever connects again has missed nothing. The last event is `end`, " +
          "with the state in which the job ended, or `gone` where its video was deleted. A stream that ends without one of " +
          "them (the server stops, or an hour is over) is asked for again. Comments keep the connection alive. 503 while " +
          "too many follow."
      })
    ),
    HttpApiEndpoint.get("followAll", "/api/events", {
      headers: { "last-event-id": Schema.optionalKey(Schema.String) },
      success: HttpApiSchema.StreamSse({ events: Schema.Union([JobsStirring, JobChanged, JobGone]) }),
      error: Unavailable
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Follow all jobs",
        description:
          "Server-sent events. `jobs` comes first: every job at work, and those that were created, changed or ended since " +
          "`Last-Event-ID`, up to a day back, or in the last minute without one. A job that was at work before and is not " +
          "among them waits again. Then `job` with the whole state of each that changes, at most once a second, and `gone` " +
          "for one that was at work when its video was deleted. Where `complete` is false there were more than 1000: list " +
          "them. The stream ends when the server stops and after an hour; comments keep the connection alive. 503 while " +
          "too many follow."
      })
    ),
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
