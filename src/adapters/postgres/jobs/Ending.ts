/** How attempts end that made nothing. */
import { Array as Arr, Effect, Exit, Option, Request, Schema } from "effect"
import { nothingTold } from "../../../domain/jobs/Attempt.ts"
import type { Holder, JobStore, Subject } from "../../../domain/ports/JobStore.ts"
import type { StoreUnavailable } from "../../../domain/ports/StoreUnavailable.ts"
import { Db, retryRaces, type Sql } from "../Db.ts"
import { about, heldBy } from "../Holding.ts"
import { storeUnavailable } from "../Rows.ts"
import { gathered } from "./Gathered.ts"
import { makeRefusal } from "./Refusal.ts"

interface Ended {
  readonly willRetry: boolean
  readonly attempt: number
}

class Failure extends Request.Class<
  {
    readonly subject: Subject
    readonly holder: Holder
    readonly options: Parameters<JobStore["Service"]["fail"]>[2]
  },
  Option.Option<Ended>,
  StoreUnavailable
> {}

const asRow = ({ holder, options, subject }: Failure, turn: number) => {
  const { notes, stderr } = options.account ?? nothingTold
  return { turn, ...subject, ...holder, error: options.error, retry: options.retry, stderr, notes }
}

/** One of the callers: how its attempt ended, or that another of its job came first. Who is not named holds nothing. */
const Answer = Schema.Union([
  Schema.Struct({ turn: Schema.Int, willRetry: Schema.Boolean, attempt: Schema.Int }),
  Schema.Struct({ turn: Schema.Int, willRetry: Schema.Null })
])

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

  /**
   * Of tasks of one job only those of the first caller are ended: what that means for the others, the next statement
   * sees. Locked in one order, so that two such statements wait for each other and not both ways.
   */
  const endFor = (callers: Arr.NonEmptyReadonlyArray<Failure>) =>
    db.rows(
      Answer,
      (sql) =>
        sql`
        with asked as materialized (
          select *
            from jsonb_to_recordset(${sql.json(callers.map(asRow))})
              as (turn int, job int, video int, worker uuid, lease uuid, error text, retry boolean, stderr text, notes jsonb)
        ), held as materialized (
          select t.id, t.job_id, t.lease_id, a.turn, a.error, a.retry, a.stderr, a.notes
            from asked a
            left join job j on j.video_id = a.video
            join task t on t.job_id = coalesce(a.job, j.id)
           where t.state = 'leased'
             and t.worker_id = a.worker
             and (a.lease is null or t.lease_id = a.lease)
           order by t.id
             for update of t
        ), placed as materialized (
          select *, turn = min(turn) over (partition by job_id) as first from held
        ), ${endAttempts(
          sql,
          sql`select id, lease_id, 'failed' as outcome, error, retry, stderr, notes from placed where first`
        )}
        select p.turn, ended.state = 'queued' as "willRetry", ended.attempt
          from placed p
          left join ended on ended.id = p.id and p.first`
    )

  const answer = Effect.fnUntraced(function* (entries: Arr.NonEmptyReadonlyArray<Request.Entry<Failure>>) {
    let waiting: ReadonlyArray<Request.Entry<Failure>> = entries
    while (Arr.isReadonlyArrayNonEmpty(waiting)) {
      const callers = waiting
      // Another task of the job may fail at this moment: each holds itself and wants the other, to stop it.
      const rows = yield* retryRaces(endFor(Arr.map(callers, ({ request }) => request)))
      const answers = new Map(rows.map(({ turn, ...ended }) => [turn, ended]))
      waiting = callers.filter((entry, turn) => {
        const ended = answers.get(turn)
        if (ended?.willRetry === null) return true
        entry.completeUnsafe(Exit.succeed(Option.fromUndefinedOr(ended)))
        return false
      })
    }
  }, storeUnavailable)

  // Tasks that go back to the queue are announced, and notifying commits queue up behind one another in PostgreSQL.
  const failures = yield* gathered<Failure>(answer, { atOnce: 1 })

  const fail = Effect.fn("JobStore.fail")(function* (
    subject: Subject,
    holder: Holder,
    options: Parameters<JobStore["Service"]["fail"]>[2]
  ) {
    const ended = yield* Effect.request(new Failure({ subject, holder, options }), failures)
    return Option.isSome(ended) ? ended.value : yield* yield* refusal(subject, holder)
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
