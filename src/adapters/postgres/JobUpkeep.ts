/** JobUpkeep on PostgreSQL. */
import { Effect, Layer, Schema } from "effect"
import { LeaseId } from "../../domain/ids.ts"
import { Breach, JobUpkeep } from "../../domain/ports/JobUpkeep.ts"
import { audit } from "./audit.ts"
import { Db, type Sql, withStatementTimeout } from "./Db.ts"
import { Count, storeUnavailable } from "./Rows.ts"

const Name = Schema.Struct({ name: Schema.String })
const Lease = Schema.Struct({ id: LeaseId })

/** A worker in a long step renews its lease without a heartbeat: it is not silent. */
const silent = (sql: Sql, minutes: number) => sql`
  w.status in ('active', 'idle', 'busy')
  and coalesce(w.last_heartbeat, w.registered_at) < now() - make_interval(mins => ${minutes})
  and not exists (
        select from task t
         where t.worker_id = w.id and t.state = 'leased' and t.lease_expires_at > clock_timestamp())`

/** A later attempt at the task of `a` may go on with what this one uploaded. */
const resumable = (sql: Sql) => sql`
  a.fingerprint is not null
  and exists (select from task t where t.id = a.task_id and t.state in ('queued', 'leased'))`

/** Attempts that made something are kept: tasks point at them. */
const forgettable = (sql: Sql, days: number) => sql`
  a.outcome in ('failed', 'released', 'expired', 'cancelled') and a.ended_at < now() - make_interval(days => ${days})
  and not (${resumable(sql)})`

const make = Effect.gen(function* () {
  const db = yield* Db

  const expired = db
    .rows(
      Count,
      (sql) =>
        sql`select count(*)::int as count from task where state = 'leased' and lease_expires_at <= clock_timestamp()`
    )
    .pipe(Effect.map(([row]) => row?.count ?? 0))

  const silentWorkers = (options: { readonly silentMinutes: number }) =>
    db.rows(Name, (sql) => sql`select w.name from worker w where ${silent(sql, options.silentMinutes)} order by w.name`)

  const markOffline = (options: { readonly silentMinutes: number }) =>
    db.rows(
      Name,
      (sql) =>
        sql`
        with chosen as (
          select w.id from worker w where ${silent(sql, options.silentMinutes)} for update of w skip locked
        )
        update worker w set status = 'offline' from chosen where w.id = chosen.id returning w.name`
    )

  const reachableLeases = db.rows(
    Lease,
    (sql) =>
      sql`
      select lease_id as id from task where state = 'leased'
      union
      select a.lease_id from attempt a where ${resumable(sql)}
      union
      select t.done_by from task t join job j on j.id = t.job_id where t.done_by is not null and j.state = 'active'`
  )

  const publications = db.rows(Lease, (sql) => sql`select published as id from video where published is not null`)

  const oldAttempts = ({ days }: { readonly days: number }) =>
    db.rows(Count, (sql) => sql`select count(*)::int as count from attempt a where ${forgettable(sql, days)}`)

  /** A thousand at a time: nobody waits for a long transaction. */
  const forgetSome = (days: number) =>
    db.query(
      (sql) =>
        sql`
        with old as (
          select a.lease_id from attempt a where ${forgettable(sql, days)} limit 1000 for update skip locked
        )
        delete from attempt a using old where a.lease_id = old.lease_id`
    )

  const forgetAttempts = Effect.fnUntraced(function* ({ days }: { readonly days: number }) {
    let total = 0
    while (true) {
      const { count } = yield* forgetSome(days)
      total += count
      if (count < 1000) return total
    }
  })

  return JobUpkeep.of({
    expired: storeUnavailable(expired),
    silentWorkers: (options) =>
      Effect.map(silentWorkers(options), (rows) => rows.map(({ name }) => name)).pipe(storeUnavailable),
    markOffline: (options) =>
      Effect.map(markOffline(options), (rows) => rows.map(({ name }) => name)).pipe(storeUnavailable),
    reachableLeases: Effect.map(reachableLeases, (rows) => new Set(rows.map(({ id }) => id))).pipe(storeUnavailable),
    publications: Effect.map(publications, (rows) => rows.map(({ id }) => id)).pipe(storeUnavailable),
    oldAttempts: (options) => Effect.map(oldAttempts(options), ([row]) => row?.count ?? 0).pipe(storeUnavailable),
    forgetAttempts: (options) => storeUnavailable(forgetAttempts(options)),
    audit: db
      .transaction(db.rows(Breach, (sql) => sql.unsafe(audit)))
      .pipe(withStatementTimeout("5 minutes"), storeUnavailable)
  })
})

export const layer = Layer.effect(JobUpkeep, make)
