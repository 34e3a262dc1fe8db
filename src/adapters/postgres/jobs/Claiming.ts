/** How work comes into the queue, and from there to a worker. */
import { Effect, Option, Schema } from "effect"
import { JobId, type VideoId } from "../../../domain/ids.ts"
import type { Holder } from "../../../domain/ports/JobStore.ts"
import { ClaimedTask } from "../../../domain/ports/JobStore.ts"
import { Db } from "../Db.ts"
import { sourceColumns, storeUnavailable } from "../Rows.ts"

export const makeClaiming = Effect.gen(function* () {
  const db = yield* Db

  const enqueue = Effect.fn("JobStore.enqueue")(function* (options: {
    readonly video: VideoId
    readonly priority: number
  }) {
    const [row] = yield* db.rows(
      Schema.Struct({ id: JobId }),
      (sql) =>
        sql`
        with created as (
          insert into job (video_id, priority) values (${options.video}, ${options.priority})
          on conflict (video_id) where state = 'active' do nothing
          returning id, priority
        ), whole as (
          insert into task (job_id, kind, priority) select id, 'whole', priority from created
        )
        select id from created`
    )
    return Option.map(Option.fromUndefinedOr(row), ({ id }) => id)
  }, storeUnavailable)

  const claim = Effect.fn("JobStore.claim")(function* (options: {
    readonly worker: Holder["worker"]
    readonly leaseSeconds: number
    readonly job: Option.Option<JobId>
  }) {
    const job = Option.getOrNull(options.job)
    const rows = yield* db.rows(
      ClaimedTask,
      (sql) =>
        sql`
        with next as materialized (
          select id
            from task
           where state = 'queued'
             and run_at <= now()
             ${job === null ? sql`` : sql`and job_id = ${job}`}
           order by priority desc, run_at, id
           limit 1
             for update skip locked
        ), leased as (
          update task t
             set state            = 'leased',
                 attempt          = t.attempt + 1,
                 lease_id         = gen_random_uuid(),
                 worker_id        = ${options.worker},
                 lease_seconds    = ${options.leaseSeconds},
                 lease_expires_at = clock_timestamp() + make_interval(secs => ${options.leaseSeconds}),
                 step             = null,
                 percent          = 0,
                 renditions       = '[]'
            from next
           where t.id = next.id
          returning t.*
        ), history as (
          insert into attempt (lease_id, task_id, attempt, worker_id, claimed_at)
          select lease_id, id, attempt, worker_id, clock_timestamp() from leased
        )
        select l.id               as "taskId",
               l.kind,
               l.first_frame      as "firstFrame",
               l.frame_count      as "frameCount",
               l.job_id           as "jobId",
               v.id               as "videoId",
               v.slug,
               ${sql.unsafe(sourceColumns)} as "source",
               l.lease_id         as "leaseId",
               l.attempt,
               l.lease_expires_at as "expiresAt"
          from leased l
          join job j on j.id = l.job_id
          join video v on v.id = j.video_id`
    )
    return Option.fromNullishOr(rows[0])
  }, storeUnavailable)

  return { enqueue, claim }
})
