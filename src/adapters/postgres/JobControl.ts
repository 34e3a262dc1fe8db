/**
 * JobControl on PostgreSQL: one conditional statement a transition, by the rules of `domain/jobs/Task.ts`. Tasks are
 * locked before their job, as everywhere; where two statements lock several tasks of a job, one of them may have to be
 * made again.
 */
import { Effect, Layer, Option, Schema } from "effect"
import type { JobId, VideoId } from "../../domain/ids.ts"
import { WantedCodec } from "../../domain/jobs/Wishes.ts"
import { JobState } from "../../domain/jobs/Job.ts"
import { JobControl, JobRefused } from "../../domain/ports/JobControl.ts"
import { JobStore } from "../../domain/ports/JobStore.ts"
import { Db, retryRaces } from "./Db.ts"
import { storeUnavailable } from "./Rows.ts"

const Situation = Schema.Struct({ state: JobState })
const Wish = Schema.Struct({ codec: Schema.NullOr(WantedCodec) })
const Cancelled = Schema.Struct({ endedLeases: Schema.Int })

const make = Effect.gen(function* () {
  const db = yield* Db
  const jobs = yield* JobStore

  /** After a conditional statement that touched no row: why. */
  const refusal = Effect.fnUntraced(function* (job: JobId) {
    const [row] = yield* db.rows(Situation, (sql) => sql`select state from job where id = ${job}`)
    return new JobRefused({ reason: row === undefined ? "not-found" : row.state })
  })

  const retry = Effect.fn("JobControl.retry")(function* (job: JobId) {
    const rows = yield* db
      .query(
        (sql) =>
          sql`
          with ended as materialized (
            select t.id
              from task t
              join job j on j.id = t.job_id
             where t.job_id = ${job}
               and t.state in ('failed', 'cancelled')
               and j.state in ('failed', 'cancelled')
             order by t.id
               for update of t
          ), again as (
            update job j
               set state = 'active', ended_at = null, last_error = null
             where j.id = ${job}
               and j.state in ('failed', 'cancelled')
               and exists (select from ended)
               and not exists (select from job o where o.video_id = j.video_id and o.state = 'active')
            returning j.id
          )
          update task t
             set state = 'queued', attempt = 0, run_at = clock_timestamp(), worker_id = null, step = null, percent = 0,
                 renditions = '[]', last_error = null
            from ended, again
           where t.id = ended.id
          returning t.id`
      )
      .pipe(
        retryRaces,
        // Another job of the video became active between the look and the write.
        Effect.catchIf(
          (error) => error.reason === "Conflict",
          () => new JobRefused({ reason: "busy" })
        )
      )
    if (rows.length > 0) return
    const { reason } = yield* refusal(job)
    // What could be retried, and was not: another job of the video is in its way.
    return yield* new JobRefused({ reason: reason === "failed" || reason === "cancelled" ? "busy" : reason })
  }, storeUnavailable)

  const cancel = Effect.fn("JobControl.cancel")(function* (job: JobId) {
    const [cancelled] = yield* db
      .rows(
        Cancelled,
        (sql) =>
          sql`
          with open as materialized (
            select t.id, t.lease_id
              from task t
             where t.job_id = ${job}
               and t.state in ('queued', 'leased')
             order by t.id
               for update
          ), history as (
            update attempt a set ended_at = clock_timestamp(), outcome = 'cancelled' from open where a.lease_id = open.lease_id
          ), tasks as (
            update task t
               set state = 'cancelled', lease_id = null, lease_seconds = null, lease_expires_at = null
              from open
             where t.id = open.id
          )
          update job
             set state = 'cancelled', ended_at = clock_timestamp()
           where id = ${job}
             and state = 'active'
             and exists (select from open)
          returning (select count(lease_id)::int from open) as "endedLeases"`
      )
      .pipe(retryRaces)
    if (cancelled !== undefined) return cancelled.endedLeases
    const refused = yield* refusal(job)
    return refused.reason === "cancelled" ? 0 : yield* refused
  }, storeUnavailable)

  const prioritise = Effect.fn("JobControl.prioritise")(function* (job: JobId, priority: number) {
    const rows = yield* db
      .query(
        (sql) =>
          sql`
          with open as materialized (
            select id from task where job_id = ${job} and state in ('queued', 'leased') order by id for update
          ), tasks as (
            update task t set priority = ${priority} from open where t.id = open.id
          )
          update job
             set priority = ${priority}
           where id = ${job}
             and state = 'active'
             and exists (select from open)
          returning id`
      )
      .pipe(retryRaces)
    if (rows.length === 0) return yield* yield* refusal(job)
  }, storeUnavailable)

  /** What the upload asked for, or whoever came after it. */
  const latestWish = Effect.fnUntraced(function* (video: VideoId) {
    const [row] = yield* db.rows(
      Wish,
      (sql) =>
        sql`
        select case when codec is not null then jsonb_build_object('name', codec, 'required', codec_required) end as "codec"
          from job
         where video_id = ${video}
         order by id desc
         limit 1`
    )
    return row?.codec ?? null
  }, storeUnavailable)

  const transcode = Effect.fn("JobControl.transcode")(function* (video: VideoId, priority: number) {
    const job = yield* jobs.enqueue({ video, priority, codec: yield* latestWish(video) })
    return Option.isSome(job) ? job.value : yield* new JobRefused({ reason: "busy" })
  })

  return JobControl.of({ retry, cancel, prioritise, transcode })
})

export const layer = Layer.effect(JobControl, make)
