/** The routes that workers call: VLog's Worker API, with what we add to it. Every addition may be ignored. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { JobId, LeaseId, Sha256, TaskId, VideoId, WorkerId } from "../../../domain/ids.ts"
import { RenditionStatus, Step } from "../../../domain/jobs/Progress.ts"
import { TaskKind } from "../../../domain/jobs/Task.ts"
import { FileDigest } from "../../../domain/media/Segment.ts"
import { RenditionName } from "../../../domain/media/Rendition.ts"
import { leaseHeader, WorkerAuth } from "./Auth.ts"
import {
  BadRequest,
  Conflict,
  Forbidden,
  NotFound,
  StorageFull,
  TooLarge,
  Unavailable,
  Unprocessable
} from "./Errors.ts"
import { optionalNull, Text, withDefault } from "./Fields.ts"

const Percent = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100 })))

/** Says which attempt is writing. Workers of the older protocol do not, and are known by their key alone. */
const lease = { [leaseHeader]: Schema.optionalKey(LeaseId) }
const job = { job_id: Schema.FiniteFromString.pipe(Schema.decodeTo(JobId)) }
const videoParams = { video_id: Schema.FiniteFromString.pipe(Schema.decodeTo(VideoId)) }

const Heartbeat = Schema.Struct({
  status: withDefault(Schema.Literals(["active", "busy", "idle"]), "active"),
  code_version: optionalNull(Text(40)),
  metadata: optionalNull(Schema.Record(Schema.String, Schema.Unknown))
})

const HeartbeatAnswer = Schema.Struct({
  status: Schema.Literal("ok"),
  server_time: Schema.DateFromString,
  required_version: Schema.NullOr(Schema.String),
  version_ok: Schema.Boolean,
  worker_status: Schema.NullOr(Schema.String),
  current_job_id: Schema.NullOr(JobId),
  last_heartbeat_recorded: Schema.NullOr(Schema.DateFromString),
  /** Ours: what this server offers beyond the protocol. A worker uses an addition only when it is named here. */
  worker_id: Schema.optionalKey(WorkerId),
  server: Schema.optionalKey(
    Schema.Struct({ name: Schema.String, version: Schema.String, features: Schema.Array(Schema.String) })
  )
})

/** The task of a claim, ours: what part of the source is meant, and what the source is. */
const TaskAnswer = Schema.Struct({
  id: TaskId,
  kind: TaskKind,
  first_frame: Schema.NullOr(Schema.Int),
  frame_count: Schema.NullOr(Schema.Int),
  source: Schema.Struct({
    file_name: Schema.String,
    extension: Schema.String,
    bytes: Schema.Int,
    sha256: Sha256
  })
})

export const ClaimAnswer = Schema.Struct({
  job_id: Schema.NullOr(JobId),
  video_id: Schema.NullOr(VideoId),
  video_slug: Schema.NullOr(Schema.String),
  video_duration: Schema.NullOr(Schema.Finite),
  source_width: Schema.NullOr(Schema.Int),
  source_height: Schema.NullOr(Schema.Int),
  source_filename: Schema.NullOr(Schema.String),
  claim_expires_at: Schema.NullOr(Schema.DateFromString),
  existing_qualities: Schema.NullOr(Schema.Array(Schema.String)),
  message: Schema.String,
  lease_id: Schema.optionalKey(LeaseId),
  lease_seconds: Schema.optionalKey(Schema.Int),
  attempt: Schema.optionalKey(Schema.Int),
  task: Schema.optionalKey(TaskAnswer)
})

const QualityProgress = Schema.Struct({
  name: RenditionName,
  status: RenditionStatus,
  progress: Percent,
  speed: optionalNull(Schema.Finite),
  seconds_left: optionalNull(Schema.Finite)
})

export const ProgressReport = Schema.Struct({
  current_step: optionalNull(Step),
  progress_percent: Percent,
  quality_progress: optionalNull(Schema.Array(QualityProgress)),
  duration: optionalNull(Schema.Finite),
  source_width: optionalNull(Schema.Int),
  source_height: optionalNull(Schema.Int)
})

const Quality = Schema.Struct({
  name: Schema.String,
  width: Schema.Int,
  height: Schema.Int,
  /** kbit/s */
  bitrate: Schema.Int
})

export const Completion = Schema.Struct({
  qualities: Schema.Array(Quality),
  duration: optionalNull(Schema.Finite),
  source_width: optionalNull(Schema.Int),
  source_height: optionalNull(Schema.Int),
  streaming_format: optionalNull(Schema.String),
  streaming_codec: optionalNull(Schema.String),
  completion_token: optionalNull(Text(100)),
  /** Ours: the exact files to publish. Without it everything that the attempt uploaded is meant. */
  files: Schema.optionalKey(Schema.Array(FileDigest)),
  languages: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
})

const Ok = Schema.Struct({ status: Schema.Literal("ok") })

export class WorkerGroup extends HttpApiGroup.make("worker")
  .add(
    HttpApiEndpoint.post("heartbeat", "/api/worker/heartbeat", {
      payload: Heartbeat,
      success: HeartbeatAnswer,
      error: Unavailable
    }),
    HttpApiEndpoint.post("claim", "/api/worker/claim", {
      query: { job_id: Schema.optionalKey(Schema.FiniteFromString.pipe(Schema.decodeTo(JobId))) },
      headers: { "x-lease-seconds": Schema.optionalKey(Schema.FiniteFromString) },
      success: ClaimAnswer,
      error: Unavailable
    }),
    HttpApiEndpoint.post("progress", "/api/worker/:job_id/progress", {
      params: job,
      headers: lease,
      payload: ProgressReport,
      success: Schema.Struct({ status: Schema.Literal("ok"), claim_expires_at: Schema.DateFromString }),
      error: [Forbidden, NotFound, Conflict, Unavailable]
    }),
    HttpApiEndpoint.post("complete", "/api/worker/:job_id/complete", {
      params: job,
      headers: lease,
      payload: Completion,
      success: Schema.Struct({ status: Schema.Literal("ok"), message: Schema.String }),
      error: [Forbidden, NotFound, Conflict, Unprocessable, Unavailable, StorageFull]
    }),
    HttpApiEndpoint.post("fail", "/api/worker/:job_id/fail", {
      params: job,
      headers: lease,
      payload: Schema.Struct({
        error_message: Text(500),
        retry: withDefault(Schema.Boolean, true)
      }),
      success: Schema.Struct({ status: Schema.Literal("ok"), will_retry: Schema.Boolean, attempt_number: Schema.Int }),
      error: [Forbidden, NotFound, Conflict, Unavailable]
    }),
    HttpApiEndpoint.post("release", "/api/worker/:job_id/release", {
      params: job,
      headers: lease,
      success: Ok,
      error: [Forbidden, NotFound, Conflict, Unavailable]
    }),
    HttpApiEndpoint.get("source", "/api/worker/source/:video_id", {
      params: videoParams,
      headers: lease,
      success: HttpApiSchema.StreamUint8Array(),
      error: [Forbidden, NotFound, Conflict, Unavailable]
    }),
    HttpApiEndpoint.post("segment", "/api/worker/upload/:video_id/segment/:quality/:filename", {
      params: { ...videoParams, quality: RenditionName, filename: Schema.String },
      headers: { ...lease, "x-content-sha256": Schema.String },
      success: Schema.Struct({
        status: Schema.Literal("ok"),
        written: Schema.Boolean,
        bytes_written: Schema.Int,
        checksum_verified: Schema.Boolean
      }),
      error: [BadRequest, Forbidden, NotFound, Conflict, TooLarge, Unavailable, StorageFull]
    })
  )
  .middleware(WorkerAuth) {}
