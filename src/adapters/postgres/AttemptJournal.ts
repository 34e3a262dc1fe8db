/** AttemptJournal on PostgreSQL. */
import { Effect, Layer } from "effect"
import { AttemptJournal, EndedAttempt } from "../../domain/ports/AttemptJournal.ts"
import { Db } from "./Db.ts"
import { storeUnavailable, traceOf } from "./Rows.ts"

export const layer = Layer.effect(
  AttemptJournal,
  Effect.gen(function* () {
    const db = yield* Db
    const take = db.rows(
      EndedAttempt,
      (sql) =>
        sql`
        with ended as materialized (
          select a.lease_id
            from attempt a
            join task t on t.id = a.task_id
            join job j on j.id = t.job_id
           where a.ended_at > clock_timestamp() - interval '1 hour'
             and not a.traced
             and j.traceparent is not null
           order by a.ended_at
           limit 100
             for update of a skip locked
        ), taken as (
          update attempt a set traced = true from ended where a.lease_id = ended.lease_id returning a.*
        )
        select a.lease_id     as "leaseId",
               (select p.lease_id
                  from attempt p
                 where p.task_id = a.task_id and p.claimed_at < a.claimed_at
                 order by p.claimed_at desc
                 limit 1)     as "previous",
               a.attempt,
               a.task_id      as "taskId",
               t.kind,
               t.job_id       as "jobId",
               j.video_id     as "videoId",
               w.name         as "worker",
               a.claimable_at as "claimableAt",
               a.claimed_at   as "claimedAt",
               a.ended_at     as "endedAt",
               a.outcome,
               a.error,
               a.stderr,
               ${sql.unsafe(traceOf("j"))} as "trace"
          from taken a
          join task t on t.id = a.task_id
          join job j on j.id = t.job_id
          left join worker w on w.id = a.worker_id`
    )
    // Whether anything is to be told is asked every second.
    return AttemptJournal.of({ take: take.pipe(Effect.withTracerEnabled(false), storeUnavailable) })
  })
)
