/** What operators ask of videos. */
import { Effect, Metric, Option, Schema } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { JobControl } from "../../../domain/ports/JobControl.ts"
import { JobStore } from "../../../domain/ports/JobStore.ts"
import { MediaStore } from "../../../domain/ports/MediaStore.ts"
import { MediaUpkeep } from "../../../domain/ports/MediaUpkeep.ts"
import { VideoStore } from "../../../domain/ports/VideoStore.ts"
import { receiveVideo } from "../../../domain/programs/ReceiveVideo.ts"
import { removeVideo } from "../../../domain/programs/RemoveVideo.ts"
import type { Video } from "../../../domain/videos/Video.ts"
import { requestBody } from "../../http/Body.ts"
import { Api } from "../contract/Api.ts"
import { BadRequest, NotFound, TooLarge } from "../contract/Errors.ts"
import { VideoWithJob } from "../contract/Videos.ts"
import { wishesOf } from "../contract/Wishes.ts"
import { jobAnswer, publicationAnswer, videoAnswer } from "./Answers.ts"
import { countAttempts, countUpload, uploadsBy } from "./Metrics.ts"
import { pageOf } from "./Paging.ts"
import { bodyRefused, diskRefused, jobRefused, unavailable } from "./Refusals.ts"
import { ApiSettings } from "./Settings.ts"

const encodeVideoWithJob = Schema.encodeSync(VideoWithJob)

const mostJobs = 50

export const videoRoutes = HttpApiBuilder.group(
  Api,
  "videos",
  Effect.fn(function* (handlers) {
    const settings = yield* ApiSettings
    const videos = yield* VideoStore
    const jobs = yield* JobStore
    const control = yield* JobControl
    const media = yield* MediaStore
    const upkeep = yield* MediaUpkeep

    const find = Effect.fnUntraced(function* (slug: string) {
      const video = yield* videos.bySlug(slug)
      return Option.isSome(video) ? video.value : yield* new NotFound({ detail: "Video not found" })
    })

    const publicationOf = Effect.fnUntraced(function* (video: Video) {
      if (video.published === null) return null
      const found = yield* videos.publication(video.id, video.published)
      return Option.getOrNull(Option.map(found, (presentation) => publicationAnswer(video, presentation)))
    })

    return handlers
      .handleRaw(
        "upload",
        Effect.fnUntraced(function* ({ query }) {
          const request = yield* HttpServerRequest.HttpServerRequest
          const { job, video } = yield* receiveVideo({
            about: { fileName: query.filename, title: query.title ?? null, wishes: wishesOf(query) },
            maxBytes: settings.maxSourceBytes,
            body: requestBody(request, { maxBytes: settings.maxSourceBytes })
          }).pipe(
            Effect.provideService(MediaStore, media),
            Effect.provideService(VideoStore, videos),
            Effect.tapError(() => Metric.update(uploadsBy("failed"), 1)),
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
          yield* countUpload(video.source.bytes)
          yield* Effect.logInfo("video received", { video: video.id, slug: video.slug, bytes: video.source.bytes })
          const queued = yield* Effect.catchTag(jobs.job(job), "StoreUnavailable", unavailable)
          const answer = { video: videoAnswer(video), job: Option.getOrNull(Option.map(queued, jobAnswer)) }
          return HttpServerResponse.jsonUnsafe(encodeVideoWithJob(answer), { status: 201 })
        })
      )
      .handle(
        "list",
        Effect.fnUntraced(
          function* ({ query }) {
            const page = pageOf(query)
            const filter = { sha256: query.sha256, status: query.status, text: query.q }
            const found = yield* videos.list({ ...page, ...filter })
            const latest = yield* jobs.latestJobs(found.map(({ id }) => id))
            const rows = found.map((video) => {
              const job = latest.get(video.id)
              return { video: videoAnswer(video), job: job === undefined ? null : jobAnswer(job) }
            })
            return { videos: rows, total: yield* videos.count(filter), ...page }
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
      .handle(
        "show",
        Effect.fnUntraced(
          function* ({ params }) {
            const video = yield* find(params.slug)
            const own = (yield* jobs.jobs({ video: video.id, limit: mostJobs, offset: 0 })).map(jobAnswer)
            const publication = yield* publicationOf(video)
            return { video: videoAnswer(video), job: own[0] ?? null, jobs: own, publication }
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
      .handle(
        "remove",
        Effect.fnUntraced(
          function* ({ params }) {
            const gone = yield* removeVideo(params.slug).pipe(
              Effect.provideService(VideoStore, videos),
              Effect.provideService(MediaUpkeep, upkeep)
            )
            if (gone.outcome === "unknown") return yield* new NotFound({ detail: "Video not found" })
            yield* countAttempts("cancelled", gone.endedLeases)
            yield* Effect.logInfo("video deleted", { slug: params.slug, ...gone })
            const message = `Video ${params.slug} ${gone.outcome === "earlier" ? "was deleted before" : "is deleted"}`
            return { status: "ok" as const, message, ended_leases: gone.endedLeases }
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
      .handle(
        "transcode",
        Effect.fnUntraced(
          function* ({ params, payload }) {
            const video = yield* find(params.slug)
            const id = yield* control.transcode(video.id, payload.priority ?? 0)
            const job = yield* jobs.job(id)
            if (Option.isNone(job)) return yield* new NotFound({ detail: "Video not found" })
            yield* Effect.logInfo("transcoding again", { slug: params.slug, job: id })
            return jobAnswer(job.value)
          },
          Effect.catchTags({ JobRefused: jobRefused, StoreUnavailable: unavailable })
        )
      )
  })
)
