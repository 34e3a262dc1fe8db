/** What operators call. */
import { Effect, Option, Redacted, Schema } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { WorkerId } from "../../../domain/ids.ts"
import type { Job } from "../../../domain/jobs/Job.ts"
import * as Progress from "../../../domain/jobs/Progress.ts"
import { JobStore } from "../../../domain/ports/JobStore.ts"
import { MediaStore } from "../../../domain/ports/MediaStore.ts"
import { VideoStore } from "../../../domain/ports/VideoStore.ts"
import { WorkerRegistry } from "../../../domain/ports/WorkerRegistry.ts"
import { receiveVideo } from "../../../domain/programs/ReceiveVideo.ts"
import type { Video } from "../../../domain/videos/Video.ts"
import type { Worker } from "../../../domain/workers/Worker.ts"
import { type JobAnswer, type VideoAnswer, VideoWithJob, type WorkerAnswer } from "../contract/Admin.ts"
import { requestBody } from "../../http/Body.ts"
import { clamped } from "../contract/Capabilities.ts"
import { Api } from "../contract/Api.ts"
import { BadRequest, NotFound, TooLarge } from "../contract/Errors.ts"
import { bodyRefused, diskRefused, unavailable } from "./Refusals.ts"
import { ApiSettings } from "./Settings.ts"

const workerAnswer = (worker: Worker): typeof WorkerAnswer.Type => ({
  id: worker.number,
  worker_id: worker.id,
  worker_type: worker.type,
  worker_name: worker.name,
  status: worker.status,
  registered_at: worker.registeredAt,
  last_heartbeat: worker.lastHeartbeat,
  current_job_id: worker.currentJob,
  current_video_slug: worker.currentSlug,
  capabilities: worker.capabilities,
  metadata: worker.metadata
})

const videoAnswer = (video: Video): typeof VideoAnswer.Type => ({
  id: video.id,
  slug: video.slug,
  title: video.title,
  source_filename: video.source.fileName,
  source_bytes: video.source.bytes,
  source_sha256: video.source.sha256,
  duration: video.facts?.duration ?? null,
  width: video.facts?.width ?? null,
  height: video.facts?.height ?? null,
  created_at: video.createdAt,
  published_at: video.publishedAt
})

/** A job of one task is shown as that task; of several, the one that is furthest behind says how far the job is. */
const jobAnswer = (job: Job): typeof JobAnswer.Type => {
  const shown = job.tasks.toSorted((a, b) => (a.progress?.percent ?? 0) - (b.progress?.percent ?? 0))[0]
  return {
    id: job.id,
    video_id: job.videoId,
    video_slug: job.slug,
    status: job.status,
    attempt: shown?.attempt ?? 0,
    max_attempts: shown?.maxAttempts ?? 0,
    worker_name: shown?.workerName ?? null,
    progress: shown?.progress ?? Progress.none,
    last_error: job.lastError ?? shown?.lastError ?? null,
    created_at: job.createdAt,
    ended_at: job.endedAt
  }
}

/** A day to bring a new key to a worker, if nobody says otherwise. */
const overlapSeconds = 24 * 3600

const encodeVideoWithJob = Schema.encodeSync(VideoWithJob)
const decodeWorkerId = Schema.decodeUnknownOption(WorkerId)

const pageOf = (query: { readonly limit?: number; readonly offset?: number }) => ({
  limit: query.limit ?? 50,
  offset: query.offset ?? 0
})

export const adminRoutes = HttpApiBuilder.group(
  Api,
  "admin",
  Effect.fn(function* (handlers) {
    const settings = yield* ApiSettings
    const registry = yield* WorkerRegistry
    const videos = yield* VideoStore
    const jobs = yield* JobStore
    const media = yield* MediaStore

    const withJob = Effect.fnUntraced(function* (video: Video) {
      const job = yield* jobs.latestJob(video.id)
      return { video: videoAnswer(video), job: Option.getOrNull(Option.map(job, jobAnswer)) }
    })

    return handlers
      .handle(
        "register",
        Effect.fnUntraced(function* ({ payload }) {
          const { id, key } = yield* registry
            .register({
              name: Option.fromNullishOr(payload.worker_name),
              type: payload.worker_type,
              capabilities: payload.capabilities == null ? null : clamped(payload.capabilities),
              metadata: payload.metadata ?? null
            })
            .pipe(Effect.catchTag("StoreUnavailable", unavailable))
          yield* Effect.logInfo("worker registered", { worker: id })
          return {
            worker_id: id,
            api_key: Redacted.value(key),
            message: "Worker registered successfully. Store the API key securely - it won't be shown again."
          }
        })
      )
      .handle(
        "workers",
        Effect.fnUntraced(function* () {
          const workers = yield* Effect.catchTag(registry.list, "StoreUnavailable", unavailable)
          const count = (statuses: ReadonlyArray<string>) =>
            workers.filter((worker) => statuses.includes(worker.status)).length
          return {
            workers: workers.map(workerAnswer),
            total_count: workers.length,
            active_count: count(["active", "idle", "busy"]),
            offline_count: count(["offline"])
          }
        })
      )
      .handle(
        "revoke",
        Effect.fnUntraced(function* ({ params }) {
          const id = decodeWorkerId(params.worker_id)
          const revoked =
            Option.isSome(id) && (yield* Effect.catchTag(registry.revoke(id.value), "StoreUnavailable", unavailable))
          if (!revoked) return yield* new NotFound({ detail: "Worker not found" })
          yield* Effect.logInfo("worker revoked", { worker: params.worker_id })
          return { status: "ok" as const, message: `Worker ${params.worker_id} has been revoked` }
        })
      )
      .handle(
        "rotate",
        Effect.fnUntraced(function* ({ params, query }) {
          const id = decodeWorkerId(params.worker_id)
          const rotated = Option.isNone(id)
            ? Option.none()
            : yield* Effect.catchTag(
                registry.rotate(id.value, query.overlap ?? overlapSeconds),
                "StoreUnavailable",
                unavailable
              )
          if (Option.isNone(id) || Option.isNone(rotated)) return yield* new NotFound({ detail: "Worker not found" })
          yield* Effect.logInfo("key rotated", { worker: id.value })
          const { key, othersExpireAt } = rotated.value
          return { worker_id: id.value, api_key: Redacted.value(key), others_expire_at: othersExpireAt }
        })
      )
      .handleRaw(
        "upload",
        Effect.fnUntraced(function* ({ query }) {
          const request = yield* HttpServerRequest.HttpServerRequest
          const { video } = yield* receiveVideo({
            fileName: query.filename,
            title: query.title ?? null,
            priority: query.priority ?? 0,
            maxBytes: settings.maxSourceBytes,
            body: requestBody(request, { maxBytes: settings.maxSourceBytes })
          }).pipe(
            Effect.provideService(MediaStore, media),
            Effect.provideService(VideoStore, videos),
            Effect.catchTags({
              EmptyUpload: (error) => Effect.fail(new BadRequest({ detail: error.message })),
              BytesMismatch: (error) => Effect.fail(new TooLarge({ detail: error.message })),
              BodyRefused: (error) =>
                error.reason === "too-large"
                  ? Effect.fail(new TooLarge({ detail: error.message }))
                  : bodyRefused(error),
              MediaStoreError: diskRefused,
              StoreUnavailable: unavailable
            })
          )
          yield* Effect.logInfo("video received", { video: video.id, slug: video.slug, bytes: video.source.bytes })
          const answer = yield* Effect.catchTag(withJob(video), "StoreUnavailable", unavailable)
          return HttpServerResponse.jsonUnsafe(encodeVideoWithJob(answer), { status: 201 })
        })
      )
      .handle(
        "videos",
        Effect.fnUntraced(
          function* ({ query }) {
            const found = yield* videos.list({ ...pageOf(query), sha256: Option.fromUndefinedOr(query.sha256) })
            return { videos: yield* Effect.forEach(found, withJob) }
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
      .handle(
        "video",
        Effect.fnUntraced(
          function* ({ params }) {
            const video = yield* videos.bySlug(params.slug)
            if (Option.isNone(video)) return yield* new NotFound({ detail: "Video not found" })
            return yield* withJob(video.value)
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
      .handle(
        "jobs",
        Effect.fnUntraced(
          function* ({ query }) {
            return { jobs: (yield* jobs.jobs(pageOf(query))).map(jobAnswer) }
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
      .handle(
        "job",
        Effect.fnUntraced(
          function* ({ params }) {
            const job = yield* jobs.job(params.job_id)
            if (Option.isNone(job)) return yield* new NotFound({ detail: "Job not found" })
            return jobAnswer(job.value)
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
  })
)
