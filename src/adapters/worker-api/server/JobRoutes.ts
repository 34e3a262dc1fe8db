/** What operators ask of jobs. */
import { Effect, Option, Schema } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import type { JobId } from "../../../domain/ids.ts"
import { JobControl } from "../../../domain/ports/JobControl.ts"
import { JobNews } from "../../../domain/ports/JobNews.ts"
import { JobStore } from "../../../domain/ports/JobStore.ts"
import { VideoStore } from "../../../domain/ports/VideoStore.ts"
import { Api } from "../contract/Api.ts"
import { NotFound } from "../contract/Errors.ts"
import { jobAnswer, jobDetail } from "./Answers.ts"
import { Followers } from "./Followers.ts"
import { makeJobEvents } from "./JobEvents.ts"
import { countAttempts } from "./Metrics.ts"
import { pageOf } from "./Paging.ts"
import { jobRefused, unavailable } from "./Refusals.ts"

const decodeInstant = Schema.decodeUnknownOption(Schema.DateFromString)

/** What we did not send ourselves is as good as nothing. Years of more than four digits are none of the database's. */
const instantOf = (lastEventId: string | undefined) =>
  /^\d{4}-/.test(lastEventId ?? "")
    ? Option.getOrNull(Option.filter(decodeInstant(lastEventId), (date) => !Number.isNaN(date.getTime())))
    : null

export const jobRoutes = HttpApiBuilder.group(
  Api,
  "jobs",
  Effect.fn(function* (handlers) {
    const jobs = yield* JobStore
    const videos = yield* VideoStore
    const control = yield* JobControl
    const news = yield* JobNews
    const followers = yield* Followers
    const events = yield* makeJobEvents

    const find = Effect.fnUntraced(function* (id: JobId) {
      const job = yield* jobs.job(id)
      return Option.isSome(job) ? job.value : yield* new NotFound({ detail: "Job not found" })
    })

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(
          function* ({ query }) {
            const page = pageOf(query)
            const video = query.video === undefined ? Option.none() : yield* videos.bySlug(query.video)
            if (query.video !== undefined && Option.isNone(video)) return { jobs: [], total: 0, ...page }
            const filter = { status: query.status, video: Option.getOrUndefined(video)?.id }
            const found = yield* jobs.jobs({ ...page, ...filter })
            return { jobs: found.map(jobAnswer), total: yield* jobs.countJobs(filter), ...page }
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
      .handle(
        "show",
        Effect.fnUntraced(
          function* ({ params }) {
            const job = yield* find(params.job_id)
            return jobDetail(job, yield* jobs.attempts(job.id))
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
      .handleRaw(
        "follow",
        Effect.fnUntraced(
          function* ({ params }) {
            const followed = yield* events.follow(params.job_id)
            if (Option.isNone(followed)) return yield* new NotFound({ detail: "Job not found" })
            return yield* followers.send(followed.value)
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
      .handleRaw(
        "followAll",
        Effect.fnUntraced(
          function* ({ headers }) {
            return yield* followers.send(yield* events.followAll(instantOf(headers["last-event-id"])))
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
      .handle(
        "retry",
        Effect.fnUntraced(
          function* ({ params }) {
            yield* control.retry(params.job_id)
            yield* news.tell(params.job_id)
            yield* Effect.logInfo("job queued again", { job: params.job_id })
            return jobAnswer(yield* find(params.job_id))
          },
          Effect.catchTags({ JobRefused: jobRefused, StoreUnavailable: unavailable })
        )
      )
      .handle(
        "cancel",
        Effect.fnUntraced(
          function* ({ params }) {
            yield* countAttempts("cancelled", yield* control.cancel(params.job_id))
            yield* news.tell(params.job_id)
            yield* Effect.logInfo("job cancelled", { job: params.job_id })
            return jobAnswer(yield* find(params.job_id))
          },
          Effect.catchTags({ JobRefused: jobRefused, StoreUnavailable: unavailable })
        )
      )
      .handle(
        "update",
        Effect.fnUntraced(
          function* ({ params, payload }) {
            yield* control.prioritise(params.job_id, payload.priority)
            yield* news.tell(params.job_id)
            yield* Effect.logInfo("priority changed", { job: params.job_id, priority: payload.priority })
            return jobAnswer(yield* find(params.job_id))
          },
          Effect.catchTags({ JobRefused: jobRefused, StoreUnavailable: unavailable })
        )
      )
  })
)
