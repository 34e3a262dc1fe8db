/** How attempts end that made nothing. */
import { Effect, Schema } from "effect"
import { nothingTold } from "../../../domain/jobs/Attempt.ts"
import type { Holder, JobStore, Subject } from "../../../domain/ports/JobStore.ts"
import { Db, retryRaces, type Sql } from "../Db.ts"
import { about, heldBy } from "../Holding.ts"
import { storeUnavailable } from "../Rows.ts"
import { makeRefusal } from "./Refusal.ts"

const Ended = Schema.Struct({ willRetry: Schema.Boolean, attempt: Schema.Int })

/**
 * The common end of an attempt that made nothing: back to the queue after a pause, or failed for good, and with a
 * task fails its job, whose other tasks are then cancelled. `ending` is a list of task id, lease id, outcome, error,
 * whether another try is wanted, and what the worker told.
 */
export const endAttempts = (sql: Sql, ending: ReturnType<Sql>) =>
  sql`
    ending as materialized (${ending}),
    doomed as materialized (
      select t.job_id
        from task t
        join ending e on e.id = t.id
       where not (e.retry and t.attempt < t.max_attempts)
    ), ended as (
      update task t
         set state            = case when not (e.retry and t.attempt < t.max_attempts) then 'failed'
                                     when t.job_id in (select job_id from doomed) then 'cancelled'
                                     else 'queued'
                                end,
             run_at           = clock_timestamp() + make_interval(secs => least(300, 5 * 2 ^ greatest(0, t.attempt - 1))),
             lease_id         = null,
             lease_seconds    = null,
             lease_expires_at = null,
             last_error       = e.error
        from ending e
       where t.id = e.id
      returning t.id, t.job_id, t.attempt, t.state, t.last_error
    ), history as (
      update attempt a
         set ended_at = clock_timestamp(), outcome = e.outcome, error = e.error, stderr = e.stderr, notes = e.notes
        from ending e
       where a.lease_id = e.lease_id
    ), jobs as (
      update job j
         set state = 'failed', ended_at = clock_timestamp(), last_error = ended.last_error
        from ended
       where j.id = ended.job_id and ended.state = 'failed' and j.state = 'active'
      returning j.id
    ), siblings as materialized (
      select t.id, t.lease_id
        from task t
        join jobs on jobs.id = t.job_id
       where t.state in ('queued', 'leased') and t.id not in (select id from ending)
         for update of t
    ), stopped as (
      update attempt a
         set ended_at = clock_timestamp(), outcome = 'cancelled'
        from siblings
       where a.lease_id = siblings.lease_id
    ), cancelled as (
      update task t
         set state = 'cancelled', lease_id = null, lease_seconds = null, lease_expires_at = null
        from siblings
       where t.id = siblings.id
    )`

export const makeEnding = Effect.gen(function* () {
  const db = yield* Db
  const refusal = yield* makeRefusal

  const fail = Effect.fn("JobStore.fail")(function* (
    subject: Subject,
    holder: Holder,
    options: Parameters<JobStore["Service"]["fail"]>[2]
  ) {
    const account = options.account ?? nothingTold
    const ending = db.rows(
      Ended,
      (sql) =>
        sql`
        with ${endAttempts(
          sql,
          sql`
            select t.id, t.lease_id, 'failed' as outcome, ${options.error}::text as error, ${options.retry}::boolean as retry,
                   ${account.stderr}::text as stderr, ${sql.json([...account.notes])}::jsonb as notes
              from task t
             where ${heldBy(sql, holder)}
               and ${about(sql, subject)}
               for update`
        )}
        select state = 'queued' as "willRetry", attempt from ended`
    )
    // Another task of the job may fail at this moment: each holds itself and wants the other, to stop it.
    const [row] = yield* retryRaces(ending)
    return row ?? (yield* yield* refusal(subject, holder))
  }, storeUnavailable)

  const release = Effect.fn("JobStore.release")(function* (subject: Subject, holder: Holder) {
    const rows = yield* db.query(
      (sql) =>
        sql`
        with leaving as materialized (
          select t.id, t.lease_id from task t where ${heldBy(sql, holder)} and ${about(sql, subject)} for update
        ), history as (
          update attempt a set ended_at = clock_timestamp(), outcome = 'released' from leaving l where a.lease_id = l.lease_id
        )
        update task t
           set state            = 'queued',
               attempt          = t.attempt - 1,
               run_at           = clock_timestamp(),
               lease_id         = null,
               lease_seconds    = null,
               lease_expires_at = null
          from leaving l
         where t.id = l.id
        returning t.id`
    )
    if (rows.length === 0) return yield* yield* refusal(subject, holder)
  }, storeUnavailable)

  return { fail, release }
})
