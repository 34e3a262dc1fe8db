/** The routes that operators call, with the admin secret. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { JobId, Sha256, VideoId, WorkerId } from "../../../domain/ids.ts"
import { JobStatus } from "../../../domain/jobs/Job.ts"
import { Progress } from "../../../domain/jobs/Progress.ts"
import { WorkerStatus } from "../../../domain/workers/Worker.ts"
import { AdminAuth } from "./Auth.ts"
import { Capabilities, RegistrationMetadata } from "./Capabilities.ts"
import { integerBetween, IntegerText, Text, optionalNull, withDefault } from "./Fields.ts"
import { BadRequest, BodyTimeout, NotFound, StorageFull, TooLarge, Unavailable } from "./Errors.ts"

const paging = {
  limit: Schema.optionalKey(integerBetween(1, 200)),
  offset: Schema.optionalKey(integerBetween(0, 2 ** 31 - 1))
}

export const WorkerAnswer = Schema.Struct({
  /** The protocol numbers workers; here the order of their registration. */
  id: Schema.Int,
  worker_id: WorkerId,
  worker_name: Schema.NullOr(Schema.String),
  worker_type: Schema.Literals(["local", "remote"]),
  status: WorkerStatus,
  registered_at: Schema.DateFromString,
  last_heartbeat: Schema.NullOr(Schema.DateFromString),
  current_job_id: Schema.NullOr(JobId),
  current_video_slug: Schema.NullOr(Schema.String),
  capabilities: Schema.Unknown,
  metadata: Schema.Unknown
})

export const VideoAnswer = Schema.Struct({
  id: VideoId,
  slug: Schema.String,
  title: Schema.String,
  source_filename: Schema.String,
  source_bytes: Schema.Int,
  source_sha256: Sha256,
  duration: Schema.NullOr(Schema.Finite),
  width: Schema.NullOr(Schema.Int),
  height: Schema.NullOr(Schema.Int),
  created_at: Schema.DateFromString,
  published_at: Schema.NullOr(Schema.DateFromString)
})

export const JobAnswer = Schema.Struct({
  id: JobId,
  video_id: VideoId,
  video_slug: Schema.String,
  status: JobStatus,
  attempt: Schema.Int,
  max_attempts: Schema.Int,
  worker_name: Schema.NullOr(Schema.String),
  progress: Progress,
  last_error: Schema.NullOr(Schema.String),
  created_at: Schema.DateFromString,
  ended_at: Schema.NullOr(Schema.DateFromString)
})

export const VideoWithJob = Schema.Struct({ video: VideoAnswer, job: Schema.NullOr(JobAnswer) })

export class AdminGroup extends HttpApiGroup.make("admin")
  .add(
    HttpApiEndpoint.post("register", "/api/worker/register", {
      payload: Schema.Struct({
        worker_name: optionalNull(Text(100)),
        worker_type: withDefault(Schema.Literals(["local", "remote"]), "remote"),
        capabilities: optionalNull(Capabilities),
        metadata: optionalNull(RegistrationMetadata)
      }),
      success: Schema.Struct({ worker_id: WorkerId, api_key: Schema.String, message: Schema.String }),
      error: [BadRequest, Unavailable]
    }),
    HttpApiEndpoint.post("rotate", "/api/workers/:worker_id/rotate", {
      params: { worker_id: Schema.String },
      query: { overlap: Schema.optionalKey(integerBetween(0, 30 * 24 * 3600)) },
      success: Schema.Struct({
        worker_id: WorkerId,
        api_key: Schema.String,
        /** Until then the worker's other keys are taken as well. */
        others_expire_at: Schema.DateFromString
      }),
      error: [NotFound, Unavailable]
    }),
    HttpApiEndpoint.get("workers", "/api/workers", {
      success: Schema.Struct({
        workers: Schema.Array(WorkerAnswer),
        total_count: Schema.Int,
        active_count: Schema.Int,
        offline_count: Schema.Int
      }),
      error: Unavailable
    }),
    HttpApiEndpoint.post("revoke", "/api/workers/:worker_id/revoke", {
      params: { worker_id: Schema.String },
      success: Schema.Struct({ status: Schema.Literal("ok"), message: Schema.String }),
      error: [NotFound, Unavailable]
    }),
    HttpApiEndpoint.post("upload", "/api/videos", {
      query: {
        filename: Text(255).pipe(Schema.check(Schema.isNonEmpty())),
        title: Schema.optionalKey(Text(200)),
        priority: Schema.optionalKey(integerBetween(-100, 100))
      },
      success: VideoWithJob.pipe(HttpApiSchema.status(201)),
      error: [BadRequest, BodyTimeout, TooLarge, Unavailable, StorageFull]
    }),
    HttpApiEndpoint.get("videos", "/api/videos", {
      query: { ...paging, sha256: Schema.optionalKey(Sha256) },
      success: Schema.Struct({ videos: Schema.Array(VideoWithJob) }),
      error: Unavailable
    }),
    HttpApiEndpoint.get("video", "/api/videos/:slug", {
      params: { slug: Schema.String },
      success: VideoWithJob,
      error: [NotFound, Unavailable]
    }),
    HttpApiEndpoint.get("jobs", "/api/jobs", {
      query: paging,
      success: Schema.Struct({ jobs: Schema.Array(JobAnswer) }),
      error: Unavailable
    }),
    HttpApiEndpoint.get("job", "/api/jobs/:job_id", {
      params: { job_id: IntegerText.pipe(Schema.decodeTo(JobId)) },
      success: JobAnswer,
      error: [NotFound, Unavailable]
    })
  )
  .middleware(AdminAuth) {}
