/** WorkerRegistry on PostgreSQL. */
import { Effect, Layer, Option, type Redacted, Schema } from "effect"
import { randomUUID } from "node:crypto"
import { JobId, LeaseId, WorkerId } from "../../domain/ids.ts"
import { KeyRefused, type Registration, Unauthenticated, WorkerRegistry } from "../../domain/ports/WorkerRegistry.ts"
import { Worker, type WorkerStatus } from "../../domain/workers/Worker.ts"
import { Db } from "./Db.ts"
import * as Key from "./Key.ts"
import { storeUnavailable } from "./Rows.ts"

/** A worker that has not been heard of for this long is shown as offline. */
const offlineAfterSeconds = 300

const KeyRow = Schema.Struct({
  workerId: WorkerId,
  secretSha256: Schema.String,
  expired: Schema.Boolean,
  disabled: Schema.Boolean
})

/** What a worker says is added to what it said before, up to this: then only what claims need stays of that. */
const longestMetadata = 20_000

/** As people are shown it: a worker that is not heard of is offline, whatever it said last. */
export const shownStatus = `
  case when w.status in ('active', 'idle', 'busy')
        and coalesce(w.last_heartbeat, w.registered_at) < now() - make_interval(secs => ${offlineAfterSeconds})
       then 'offline' else w.status
  end`

const Rotated = Schema.Struct({ othersExpireAt: Schema.Date })
const Taken = Schema.Struct({ job: JobId, lease: LeaseId })

const workerColumns = `
  w.id,
  w.number,
  w.type,
  w.name,
  ${shownStatus}   as "status",
  w.registered_at   as "registeredAt",
  w.last_heartbeat  as "lastHeartbeat",
  (select t.job_id from task t where t.worker_id = w.id and t.state = 'leased' order by t.id desc limit 1) as "currentJob",
  (select v.slug
     from task t
     join job j on j.id = t.job_id
     join video v on v.id = j.video_id
    where t.worker_id = w.id and t.state = 'leased'
    order by t.id desc
    limit 1)        as "currentSlug",
  w.capabilities,
  w.metadata`

const make = Effect.gen(function* () {
  const db = yield* Db

  const add = Effect.fnUntraced(function* (options: Registration, key: Key.Kept) {
    const id = WorkerId.make(randomUUID())
    const name = Option.getOrElse(options.name, () => `worker-${id.slice(0, 8)}`)
    yield* db.query(
      (sql) =>
        sql`
        with added as (
          insert into worker (id, name, type, status, last_heartbeat, capabilities, metadata)
          values (${id}, ${name}, ${options.type}, 'active', now(),
                  ${sql.json(options.capabilities)}, ${sql.json(options.metadata)})
          returning id
        )
        insert into worker_key (id, worker_id, secret_sha256) select ${key.id}, id, ${key.digest} from added`
    )
    return id
  })

  const register = Effect.fn("WorkerRegistry.register")(function* (options: Registration) {
    const minted = Key.mint("worker")
    return { id: yield* add(options, minted), key: minted.key }
  }, storeUnavailable)

  const adopt = Effect.fn("WorkerRegistry.adopt")(function* (options: Registration, key: Redacted.Redacted) {
    const kept = Key.brought(key)
    if (kept === null) return yield* new KeyRefused({ reason: "malformed" })
    return yield* Effect.catchIf(
      add(options, kept),
      (error) => error.reason === "Conflict",
      () => new KeyRefused({ reason: "taken" })
    )
  }, storeUnavailable)

  const authenticate = Effect.fn("WorkerRegistry.authenticate")(function* (key: Redacted.Redacted) {
    const claimed = Key.parse(key)
    if (claimed === null) return yield* new Unauthenticated({ reason: "invalid" })
    const [row] = yield* db.rows(
      KeyRow,
      (sql) =>
        sql`
        select k.worker_id                        as "workerId",
               k.secret_sha256                    as "secretSha256",
               coalesce(k.expires_at < now(), false) as "expired",
               w.status = 'disabled'              as "disabled"
          from worker_key k
          join worker w on w.id = k.worker_id
         where k.id = ${claimed.id}
           and k.revoked_at is null`
    )
    if (row === undefined || !Key.sameDigest(row.secretSha256, claimed.digest)) {
      return yield* new Unauthenticated({ reason: "invalid" })
    }
    if (row.expired) return yield* new Unauthenticated({ reason: "expired" })
    if (row.disabled) return yield* new Unauthenticated({ reason: "disabled" })
    return row.workerId
  }, storeUnavailable)

  const heartbeat = Effect.fn("WorkerRegistry.heartbeat")(function* (
    worker: WorkerId,
    report: { readonly status: WorkerStatus; readonly metadata: unknown }
  ) {
    const metadata = report.metadata ?? {}
    const [row] = yield* db.rows(
      Worker,
      (sql) =>
        sql`
        with beaten as (
          update worker
             set last_heartbeat = clock_timestamp(),
                 status         = case when status = 'disabled' then status else ${report.status} end,
                 metadata       = case
                                    when length((coalesce(metadata, '{}') || ${sql.json(metadata)})::text) <= ${longestMetadata}
                                    then coalesce(metadata, '{}') || ${sql.json(metadata)}
                                    else coalesce((select jsonb_object_agg(key, value)
                                                     from jsonb_each(metadata)
                                                    where key in ('capabilities', 'code_version')), '{}')
                                         || ${sql.json(metadata)}
                                  end
           where id = ${worker}
          returning *
        )
        select ${sql.unsafe(workerColumns)} from beaten w`
    )
    return row!
  }, storeUnavailable)

  const list = db
    .rows(
      Worker,
      (sql) => sql`select ${sql.unsafe(workerColumns)} from worker w order by w.last_heartbeat desc nulls last`
    )
    .pipe(storeUnavailable)

  const revoke = Effect.fn("WorkerRegistry.revoke")(function* (worker: WorkerId) {
    const rows = yield* db.query(
      (sql) =>
        sql`
        with disabled as (
          update worker set status = 'disabled' where id = ${worker} returning id
        ), keys as (
          update worker_key k set revoked_at = now() from disabled d where k.worker_id = d.id and k.revoked_at is null
        ), taken as materialized (
          select t.id, t.lease_id from task t join disabled d on d.id = t.worker_id where t.state = 'leased' for update of t
        ), history as (
          update attempt a set ended_at = clock_timestamp(), outcome = 'released' from taken where a.lease_id = taken.lease_id
        ), requeued as (
          update task t
             set state            = 'queued',
                 attempt          = t.attempt - 1,
                 run_at           = clock_timestamp(),
                 lease_id         = null,
                 lease_seconds    = null,
                 lease_expires_at = null
            from taken
           where t.id = taken.id
        )
        select id from disabled`
    )
    return rows.length > 0
  }, storeUnavailable)

  const rotate = Effect.fn("WorkerRegistry.rotate")(function* (worker: WorkerId, overlapSeconds: number) {
    const minted = Key.mint("worker")
    const [row] = yield* db.rows(
      Rotated,
      (sql) =>
        sql`
        with owner as materialized (
          select id from worker where id = ${worker} and status <> 'disabled' for update
        ), live as materialized (
          select k.id, row_number() over (order by k.created_at desc, k.id) as place
            from worker_key k
            join owner o on o.id = k.worker_id
           where k.revoked_at is null and coalesce(k.expires_at > now(), true)
        ), ended as (
          update worker_key k
             set expires_at = case when live.place = 1
                                   then least(coalesce(k.expires_at, 'infinity'), now() + make_interval(secs => ${overlapSeconds}))
                                   else k.expires_at
                              end,
                 revoked_at = case when live.place = 1 then null else now() end
            from live
           where k.id = live.id
        ), added as (
          insert into worker_key (id, worker_id, secret_sha256) select ${minted.id}, id, ${minted.digest} from owner
        )
        select now() + make_interval(secs => ${overlapSeconds}) as "othersExpireAt" from owner`
    )
    return Option.map(Option.fromUndefinedOr(row), ({ othersExpireAt }) => ({ key: minted.key, othersExpireAt }))
  }, storeUnavailable)

  const cancelled = Effect.fn("WorkerRegistry.cancelled")(function* (worker: WorkerId) {
    return yield* db.rows(
      Taken,
      (sql) =>
        sql`
        select t.job_id as "job", a.lease_id as "lease"
          from attempt a
          join task t on t.id = a.task_id
         where a.worker_id = ${worker}
           and a.outcome = 'cancelled'
           and a.ended_at > now() - interval '1 hour'
        union all
        select r.job_id, r.lease_id
          from removed_lease r
          join removed_video v on v.id = r.video_id
         where r.worker_id = ${worker}
           and v.removed_at > now() - interval '1 hour'
         limit 50`
    )
  }, storeUnavailable)

  return WorkerRegistry.of({ register, adopt, authenticate, heartbeat, cancelled, list, rotate, revoke })
})

export const layer = Layer.effect(WorkerRegistry, make)
