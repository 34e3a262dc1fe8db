/** How attempts end that made nothing. */
import { Effect, Schema } from "effect"
import type { Holder, Subject } from "../../../domain/ports/JobStore.ts"
import { Db, type Sql } from "../Db.ts"
import { about, heldBy } from "../Holding.ts"
import { storeUnavailable } from "../Rows.ts"
import { makeRefusal } from "./Refusal.ts"

const Ended = Schema.Struct({ willRetry: Schema.Boolean, attempt: Schema.Int })

/**
 * The common end of an attempt that made nothing: back to the queue after a pause, or failed for good, and with a
 * task fails its job. `ending` is a list of task id, lease id, outcome, error and whether another try is wanted.
 */
export const endAttempts = (sql: Sql, ending: ReturnType<Sql>) =>
  sql`
    ending as materialized (${ending}),
    ended as (
      update task t
         set state            = case when e.retry and t.attempt < t.max_attempts then 'queued' else 'failed' end,
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
         set ended_at = clock_timestamp(), outcome = e.outcome, error = e.error
        from ending e
       where a.lease_id = e.lease_id
    ), jobs as (
      update job j
         set state = 'failed', ended_at = clock_timestamp(), last_error = ended.last_error
        from ended
       where j.id = ended.job_id and ended.state = 'failed' and j.state = 'active'
      returning j.id
    ), siblings as (
      update task t
         set state = 'cancelled', lease_id = null, lease_seconds = null, lease_expires_at = null
        from jobs
       where t.job_id = jobs.id and t.state in ('queued', 'leased') and t.id not in (select id from ending)
    )`

export const makeEnding = Effect.gen(function* () {
  const db = yield* Db
  const refusal = yield* makeRefusal

  const fail = Effect.fn("JobStore.fail")(function* (
    subject: Subject,
    holder: Holder,
    options: { readonly error: string; readonly retry: boolean }
  ) {
    const [row] = yield* db.rows(
      Ended,
      (sql) =>
        sql`
        with ${endAttempts(
          sql,
          sql`
            select t.id, t.lease_id, 'failed' as outcome, ${options.error}::text as error, ${options.retry}::boolean as retry
              from task t
             where ${heldBy(sql, holder)}
               and ${about(sql, subject)}
               for update`
        )}
        select state = 'queued' as "willRetry", attempt from ended`
    )
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
