/** What workers call. */
import { Effect, Option, Schema } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import type { JobId, LeaseId, VideoId } from "../../../domain/ids.ts"
import { Sha256 } from "../../../domain/ids.ts"
import type { Progress } from "../../../domain/jobs/Progress.ts"
import { initName, posterName, segmentIndex } from "../../../domain/media/Segment.ts"
import type { ClaimedTask, Holder } from "../../../domain/ports/JobStore.ts"
import { JobStore } from "../../../domain/ports/JobStore.ts"
import { MediaStore } from "../../../domain/ports/MediaStore.ts"
import { SegmentInspector } from "../../../domain/ports/SegmentInspector.ts"
import { VideoStore } from "../../../domain/ports/VideoStore.ts"
import { WorkerRegistry } from "../../../domain/ports/WorkerRegistry.ts"
import { completeTask } from "../../../domain/programs/CompleteTask.ts"
import { receivePart } from "../../../domain/programs/ReceivePart.ts"
import type { SourceFacts } from "../../../domain/videos/Video.ts"
import { fileResponse } from "../../http/FileResponse.ts"
import { Api } from "../contract/Api.ts"
import { CallingWorker, leaseHeader } from "../contract/Auth.ts"
import { BadRequest, Conflict, NotFound, Unprocessable } from "../contract/Errors.ts"
import type { ClaimAnswer, Completion, ProgressReport } from "../contract/Worker.ts"
import { diskRefused, leaseRefused, unavailable } from "./Refusals.ts"
import { ApiSettings } from "./Settings.ts"

/** What this server adds to the protocol; a worker uses an addition only when it is named here. */
const features = ["lease", "task", "release", "files"] as const

const holderOf = Effect.fnUntraced(function* (headers: { readonly [leaseHeader]?: LeaseId }) {
  const worker = yield* CallingWorker
  return { worker: worker.id, lease: headers[leaseHeader] ?? null } satisfies Holder
})

const factsOf = (report: {
  readonly duration?: number | null
  readonly source_width?: number | null
  readonly source_height?: number | null
}): SourceFacts | null =>
  typeof report.duration === "number" &&
  typeof report.source_width === "number" &&
  typeof report.source_height === "number"
    ? { duration: report.duration, width: report.source_width, height: report.source_height }
    : null

const progressOf = (report: typeof ProgressReport.Type): Progress => ({
  step: report.current_step ?? null,
  percent: report.progress_percent,
  renditions: (report.quality_progress ?? []).map((quality) => ({
    name: quality.name,
    status: quality.status,
    percent: quality.progress,
    speed: quality.speed ?? null,
    secondsLeft: quality.seconds_left ?? null
  }))
})

const noJob: typeof ClaimAnswer.Type = {
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

const claimAnswer = (task: ClaimedTask, facts: SourceFacts | null, leaseSeconds: number): typeof ClaimAnswer.Type => ({
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
    }
  }
})

const isPartName = (name: string) => name === initName || name === posterName || segmentIndex(name) !== null

const decodeDigest = Schema.decodeUnknownOption(Sha256)

export const workerRoutes = HttpApiBuilder.group(
  Api,
  "worker",
  Effect.fn(function* (handlers) {
    const settings = yield* ApiSettings
    const jobs = yield* JobStore
    const videos = yield* VideoStore
    const registry = yield* WorkerRegistry
    const media = yield* MediaStore
    const inspector = yield* SegmentInspector

    const leaseSecondsFor = (wished: number | undefined) =>
      wished === undefined ? settings.claimSeconds : Math.round(Math.min(Math.max(wished, 5), settings.claimSeconds))

    /** The job's video; a job that is not there is no worker's. */
    const sourceOf = Effect.fnUntraced(function* (video: VideoId) {
      const found = yield* Effect.catchTag(videos.byId(video), "StoreUnavailable", unavailable)
      if (Option.isNone(found)) return yield* new NotFound({ detail: "Video not found" })
      return found.value
    })

    const reportOf = Effect.fnUntraced(function* (job: JobId, completion: typeof Completion.Type) {
      const facts = factsOf(completion)
      if (facts === null || completion.files === undefined) {
        return yield* new Unprocessable({
          detail: `Job ${job}: duration, source_width, source_height and files are needed`
        })
      }
      return { facts, files: completion.files, languages: completion.languages ?? {} }
    })

    return handlers
      .handle(
        "heartbeat",
        Effect.fnUntraced(function* ({ payload }) {
          const { id } = yield* CallingWorker
          const metadata = {
            ...payload.metadata,
            ...(payload.code_version == null ? {} : { code_version: payload.code_version })
          }
          const worker = yield* Effect.catchTag(
            registry.heartbeat(id, { status: payload.status, metadata }),
            "StoreUnavailable",
            unavailable
          )
          const now = worker.lastHeartbeat ?? new Date()
          return {
            status: "ok" as const,
            server_time: now,
            required_version: settings.version,
            version_ok: true,
            worker_status: worker.status,
            current_job_id: worker.currentJob,
            last_heartbeat_recorded: now,
            worker_id: id,
            server: { name: "vlog", version: settings.version, features }
          }
        })
      )
      .handle(
        "claim",
        Effect.fnUntraced(function* ({ headers, query }) {
          const { id } = yield* CallingWorker
          const leaseSeconds = leaseSecondsFor(headers["x-lease-seconds"])
          const claimed = yield* jobs
            .claim({ worker: id, leaseSeconds, job: Option.fromUndefinedOr(query.job_id) })
            .pipe(Effect.catchTag("StoreUnavailable", unavailable))
          if (Option.isNone(claimed)) return noJob
          const video = yield* Effect.catchTag(videos.byId(claimed.value.videoId), "StoreUnavailable", unavailable)
          yield* Effect.logInfo("claimed", { job: claimed.value.jobId, attempt: claimed.value.attempt, worker: id })
          return claimAnswer(claimed.value, Option.getOrNull(video)?.facts ?? null, leaseSeconds)
        })
      )
      .handle(
        "progress",
        Effect.fnUntraced(function* ({ headers, params, payload }) {
          const holder = yield* holderOf(headers)
          const { expiresAt } = yield* jobs
            .renew({ job: params.job_id }, holder, {
              progress: progressOf(payload),
              facts: factsOf(payload)
            })
            .pipe(
              Effect.catchTags({ LeaseRefused: leaseRefused(holder.lease !== null), StoreUnavailable: unavailable })
            )
          return { status: "ok" as const, claim_expires_at: expiresAt }
        })
      )
      .handle(
        "complete",
        Effect.fnUntraced(function* ({ headers, params, payload }) {
          const holder = yield* holderOf(headers)
          const outcome = yield* completeTask(
            { job: params.job_id },
            holder,
            yield* reportOf(params.job_id, payload)
          ).pipe(
            Effect.provideService(JobStore, jobs),
            Effect.provideService(MediaStore, media),
            Effect.catchTags({
              LeaseRefused: leaseRefused(holder.lease !== null),
              OutputIncomplete: (error) => Effect.fail(new Unprocessable({ detail: error.message })),
              MediaStoreError: diskRefused,
              StoreUnavailable: unavailable
            })
          )
          if (outcome === "completed") yield* Effect.logInfo("completed", { job: params.job_id, worker: holder.worker })
          return {
            status: "ok" as const,
            message: outcome === "completed" ? "Job completed successfully" : "Job already completed"
          }
        })
      )
      .handle(
        "fail",
        Effect.fnUntraced(function* ({ headers, params, payload }) {
          const holder = yield* holderOf(headers)
          const { attempt, willRetry } = yield* jobs
            .fail({ job: params.job_id }, holder, {
              error: payload.error_message,
              retry: payload.retry
            })
            .pipe(
              Effect.catchTags({ LeaseRefused: leaseRefused(holder.lease !== null), StoreUnavailable: unavailable })
            )
          yield* Effect.logWarning("attempt failed", { job: params.job_id, willRetry, problem: payload.error_message })
          return { status: "ok" as const, will_retry: willRetry, attempt_number: attempt }
        })
      )
      .handle(
        "release",
        Effect.fnUntraced(function* ({ headers, params }) {
          const holder = yield* holderOf(headers)
          yield* jobs
            .release({ job: params.job_id }, holder)
            .pipe(
              Effect.catchTags({ LeaseRefused: leaseRefused(holder.lease !== null), StoreUnavailable: unavailable })
            )
          yield* Effect.logInfo("released", { job: params.job_id, worker: holder.worker })
          return { status: "ok" as const }
        })
      )
      .handleRaw(
        "source",
        Effect.fnUntraced(function* ({ headers, params }) {
          const holder = yield* holderOf(headers)
          yield* jobs
            .held({ video: params.video_id }, holder)
            .pipe(
              Effect.catchTags({ LeaseRefused: leaseRefused(holder.lease !== null), StoreUnavailable: unavailable })
            )
          const { id, source } = yield* sourceOf(params.video_id)
          const answer = yield* fileResponse({
            path: media.sourcePath(id, source),
            etag: `"${source.sha256}"`,
            contentType: "application/octet-stream",
            headers: {
              "content-disposition": `attachment; filename="${id}${source.extension}"`,
              "repr-digest": `sha-256=:${Buffer.from(source.sha256, "hex").toString("base64")}:`
            }
          })
          return answer ?? (yield* new NotFound({ detail: "Source file not found" }))
        })
      )
      .handleRaw(
        "segment",
        Effect.fnUntraced(function* ({ headers, params }) {
          const request = yield* HttpServerRequest.HttpServerRequest
          const holder = yield* holderOf(headers)
          const digest = decodeDigest(headers["x-content-sha256"].replace(/^sha256:/, ""))
          if (Option.isNone(digest))
            return yield* new BadRequest({ detail: "X-Content-SHA256 must be 64 lower-case hexadecimal digits" })
          if (!isPartName(params.filename)) return yield* new BadRequest({ detail: "Invalid request" })
          const { bytes, written } = yield* receivePart({ video: params.video_id }, holder, {
            rendition: params.quality,
            name: params.filename,
            sha256: digest.value,
            maxBytes: settings.maxPartBytes,
            body: request.stream
          }).pipe(
            Effect.provideService(JobStore, jobs),
            Effect.provideService(MediaStore, media),
            Effect.provideService(SegmentInspector, inspector),
            Effect.catchTags({
              LeaseRefused: leaseRefused(holder.lease !== null),
              FileConflict: (error) => Effect.fail(new Conflict({ detail: error.message })),
              BytesMismatch: (error) =>
                Effect.fail(new BadRequest({ detail: `Checksum verification failed: ${error.message}` })),
              NotASegment: (error) => Effect.fail(new BadRequest({ detail: `Invalid file format: ${error.message}` })),
              HttpServerError: () => Effect.fail(new BadRequest({ detail: "The upload ended early" })),
              MediaStoreError: diskRefused,
              StoreUnavailable: unavailable
            })
          )
          return HttpServerResponse.jsonUnsafe({ status: "ok", written, bytes_written: bytes, checksum_verified: true })
        })
      )
  })
)
