/** The routes that workers call: VLog's Worker API, with what we add to it. Every addition may be ignored. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Fingerprint, JobId, LeaseId, Sha256, TaskId, VideoId, WorkerId } from "../../../domain/ids.ts"
import { RenditionStatus, Step } from "../../../domain/jobs/Progress.ts"
import { WantedCodec } from "../../../domain/jobs/Wishes.ts"
import { TaskKind } from "../../../domain/jobs/Task.ts"
import { LanguageTag } from "../../../domain/media/Language.ts"
import { FileDigest, RegisteredFile } from "../../../domain/media/Segment.ts"
import { RenditionName } from "../../../domain/media/Rendition.ts"
import { TraceContext } from "../../../domain/telemetry/TraceContext.ts"
import { SourceExtension } from "../../../domain/videos/Video.ts"
import { leaseHeader, WorkerAuth } from "./Auth.ts"
import {
  BadRequest,
  BodyTimeout,
  Conflict,
  Forbidden,
  NotFound,
  StorageFull,
  TooLarge,
  Unavailable,
  Unprocessable
} from "./Errors.ts"
import {
  Decimal,
  Integer,
  integerBetween,
  integerFrom,
  IntegerText,
  optionalNull,
  rule,
  Text,
  Truth,
  withDefault
} from "./Fields.ts"
import { prefixHeader, PrefixText } from "./Prefix.ts"
import { HeartbeatMetadata } from "./Capabilities.ts"
import { answering, takingBytes } from "./Described.ts"

const Percent = integerFrom(0, 100)

const Seconds = Decimal.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1e9 })))
const mostPixels = 2 ** 31 - 1

/** Kept with the task and told to everybody who follows it: more than any ladder has. */
const mostRenditions = 100

/** Says which attempt is writing. Workers of the older protocol do not, and are known by their key alone. */
export const lease = { [leaseHeader]: Schema.optionalKey(LeaseId) }
const jobParams = { job_id: IntegerText.pipe(Schema.decodeTo(JobId)) }
export const videoParams = { video_id: IntegerText.pipe(Schema.decodeTo(VideoId)) }

const Heartbeat = Schema.Struct({
  status: withDefault(Schema.Literals(["active", "busy", "idle"]), "active"),
  code_version: optionalNull(Text(40)),
  metadata: optionalNull(HeartbeatMetadata)
})

const HeartbeatAnswer = Schema.Struct({
  status: Schema.Literal("ok"),
  server_time: Schema.DateFromString,
  required_version: Schema.NullOr(Schema.String),
  version_ok: Schema.Boolean,
  worker_status: Schema.NullOr(Schema.String),
  current_job_id: Schema.NullOr(JobId),
  last_heartbeat_recorded: Schema.NullOr(Schema.DateFromString),
  /** Ours: what was taken from this worker since, for it to stop without being told by a refusal. */
  cancelled: Schema.optionalKey(Schema.Array(Schema.Struct({ job_id: JobId, lease_id: LeaseId }))),
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
    extension: SourceExtension,
    bytes: Schema.Int,
    sha256: Schema.NullOr(Sha256)
  }),
  codec: Schema.optionalKey(Schema.NullOr(WantedCodec))
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
  task: Schema.optionalKey(TaskAnswer),
  /** Ours: where the attempt's spans belong. */
  trace: Schema.optionalKey(TraceContext)
})

const QualityProgress = Schema.Struct({
  name: RenditionName,
  status: RenditionStatus,
  progress: Percent,
  segments_total: optionalNull(integerFrom(0)),
  segments_completed: optionalNull(integerFrom(0)),
  /** Ours: media seconds encoded per second, and the seconds that are left. */
  speed: optionalNull(Schema.Finite),
  seconds_left: optionalNull(Schema.Finite)
})

export const ProgressReport = Schema.Struct({
  current_step: optionalNull(Step),
  progress_percent: Percent,
  quality_progress: optionalNull(Schema.Array(QualityProgress).pipe(Schema.check(Schema.isMaxLength(mostRenditions)))),
  duration: optionalNull(Seconds),
  source_width: optionalNull(integerFrom(1, mostPixels)),
  source_height: optionalNull(integerFrom(1, mostPixels))
})

const Quality = Schema.Struct({
  name: Schema.String,
  width: Integer,
  height: Integer,
  /** kbit/s */
  bitrate: Integer
})

/** Ours: what people may like to know of an attempt, such as its encoder, and devices that failed before. */
const notes = optionalNull(Schema.Array(Text(2000)))

export const Completion = Schema.Struct({
  qualities: Schema.Array(Quality),
  duration: optionalNull(Seconds),
  source_width: optionalNull(integerFrom(0, mostPixels)),
  source_height: optionalNull(integerFrom(0, mostPixels)),
  streaming_format: optionalNull(Schema.String),
  streaming_codec: optionalNull(Schema.String),
  /** Accepted and not needed: whether a job is complete is asked of the job, not of a token. */
  completion_token: optionalNull(
    Text(100).pipe(
      Schema.check(
        rule<string>("Invalid completion_token format. Expected: job_id-uuid4", (token) =>
          /^\d+-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(token)
        )
      )
    )
  ),
  /** Ours: the exact files to publish. Without it everything that the attempt uploaded is meant. */
  files: Schema.optionalKey(Schema.Array(FileDigest)),
  languages: Schema.optionalKey(Schema.Record(Schema.String, LanguageTag)),
  notes
})

export const VerifyAnswer = Schema.Struct({
  job_id: JobId,
  video_id: VideoId,
  video_slug: Schema.String,
  video_status: Schema.String,
  job_completed: Schema.Boolean,
  all_files_present: Schema.Boolean,
  qualities_present: Schema.Array(Schema.String),
  missing_files: Schema.Array(Schema.String)
})

const ofFiles = {
  "206": { description: "The part that `Range` asks for" },
  "304": { description: "What `If-None-Match` knows is what there is" },
  "416": { description: "`Range` lies beyond the end" }
}

const Ok = Schema.Struct({ status: Schema.Literal("ok") })

export class WorkerGroup extends HttpApiGroup.make("worker")
  .add(
    HttpApiEndpoint.post("heartbeat", "/api/worker/heartbeat", {
      payload: Heartbeat,
      success: HeartbeatAnswer,
      error: Unavailable
    }).annotateMerge(OpenApi.annotations({ summary: "Say that a worker lives, and what it can do" })),
    HttpApiEndpoint.post("claim", "/api/worker/claim", {
      query: {
        job_id: Schema.optionalKey(IntegerText.pipe(Schema.decodeTo(JobId))),
        /** Ours: seconds for which the answer may wait for a job to come. */
        wait: Schema.optionalKey(integerBetween(0, 60))
      },
      headers: { "x-lease-seconds": Schema.optionalKey(Schema.FiniteFromString) },
      success: ClaimAnswer,
      error: Unavailable
    }).annotateMerge(OpenApi.annotations({ summary: "Take a task, where there is one that the worker can do" })),
    /** Ours: with which encoder the attempt works, and what an earlier attempt with the same one left. */
    HttpApiEndpoint.post("begin", "/api/worker/:job_id/begin", {
      params: jobParams,
      headers: lease,
      payload: Schema.Struct({ fingerprint: Fingerprint }),
      success: Schema.Struct({
        resume: Schema.NullOr(Schema.Struct({ lease_id: LeaseId, files: Schema.Array(RegisteredFile) }))
      }),
      error: [Forbidden, NotFound, Conflict, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Say with which encoder the attempt works, and hear what an earlier one left" })
    ),
    /** Ours: makes files of that attempt files of this one. */
    HttpApiEndpoint.post("adopt", "/api/worker/:job_id/adopt", {
      params: jobParams,
      headers: lease,
      payload: Schema.Struct({ lease_id: LeaseId, files: Schema.NonEmptyArray(FileDigest) }),
      success: Ok,
      error: [Forbidden, NotFound, Conflict, Unavailable, StorageFull]
    }).annotateMerge(OpenApi.annotations({ summary: "Make files of an earlier attempt files of this one" })),
    HttpApiEndpoint.post("progress", "/api/worker/:job_id/progress", {
      params: jobParams,
      headers: lease,
      payload: ProgressReport,
      success: Schema.Struct({ status: Schema.Literal("ok"), claim_expires_at: Schema.DateFromString }),
      error: [Forbidden, NotFound, Conflict, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Say how far a task is, and renew its claim" })),
    HttpApiEndpoint.post("complete", "/api/worker/:job_id/complete", {
      params: jobParams,
      headers: lease,
      payload: Completion,
      success: Schema.Struct({ status: Schema.Literal("ok"), message: Schema.String }),
      error: [Forbidden, NotFound, Conflict, Unprocessable, Unavailable, StorageFull]
    }).annotateMerge(OpenApi.annotations({ summary: "Say that all is there: it is checked, and published" })),
    HttpApiEndpoint.post("fail", "/api/worker/:job_id/fail", {
      params: jobParams,
      headers: lease,
      payload: Schema.Struct({
        error_message: Text(500),
        retry: withDefault(Truth, true),
        /** Ours: a word to count by, of those in `FailureReason`; others are taken for "unknown". */
        reason: optionalNull(Text(40)),
        /** Ours: the end of what ffmpeg wrote. */
        stderr_tail: optionalNull(Text(65_536)),
        notes
      }),
      success: Schema.Struct({ status: Schema.Literal("ok"), will_retry: Schema.Boolean, attempt_number: Schema.Int }),
      error: [Forbidden, NotFound, Conflict, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "End an attempt that failed" })),
    HttpApiEndpoint.post("release", "/api/worker/:job_id/release", {
      params: jobParams,
      headers: lease,
      success: Ok,
      error: [Forbidden, NotFound, Conflict, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Give a task back without using up an attempt" })),
    HttpApiEndpoint.get("verifyComplete", "/api/worker/:job_id/verify-complete", {
      params: jobParams,
      success: VerifyAnswer,
      error: [Forbidden, NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Ask whether what a job made is published and there" })),
    HttpApiEndpoint.get("source", "/api/worker/source/:video_id", {
      params: videoParams,
      headers: lease,
      success: HttpApiSchema.StreamUint8Array(),
      error: [Forbidden, NotFound, Conflict, Unavailable]
    })
      .annotateMerge(OpenApi.annotations({ summary: "Get the source, or a part of it" }))
      .annotateMerge(answering(ofFiles)),
    HttpApiEndpoint.post("segment", "/api/worker/upload/:video_id/segment/:quality/:filename", {
      params: { ...videoParams, quality: Schema.String, filename: Schema.String },
      headers: {
        ...lease,
        "x-content-sha256": Schema.String,
        /** Ours: what the file was made of. */
        [prefixHeader]: Schema.optionalKey(PrefixText)
      },
      success: Schema.Struct({
        status: Schema.Literal("ok"),
        written: Schema.Boolean,
        bytes_written: Schema.Int,
        checksum_verified: Schema.Boolean
      }),
      error: [BadRequest, BodyTimeout, Forbidden, NotFound, Conflict, TooLarge, Unavailable, StorageFull]
    })
      .annotateMerge(OpenApi.annotations({ summary: "Bring one file of a rendition" }))
      .annotateMerge(takingBytes("application/octet-stream"))
  )
  .middleware(WorkerAuth) {}
