/** DeliveryStore on PostgreSQL. */
import { Effect, Layer, Schema } from "effect"
import type { LeaseId } from "../../domain/ids.ts"
import { DeliveredFile, type DeliveredPath } from "../../domain/media/Delivered.ts"
import { DeliveryStore } from "../../domain/ports/DeliveryStore.ts"
import type { Holder, Subject } from "../../domain/ports/JobStore.ts"
import { JobStore, LeaseRefused } from "../../domain/ports/JobStore.ts"
import { Db } from "./Db.ts"
import { about, heldBy } from "./Holding.ts"
import { storeUnavailable } from "./Rows.ts"

const Sum = Schema.Struct({ sha256: Schema.String })

const make = Effect.gen(function* () {
  const db = yield* Db
  const jobs = yield* JobStore

  const put = Effect.fn("DeliveryStore.put")(function* (
    subject: Subject,
    holder: Holder,
    files: ReadonlyArray<DeliveredFile>
  ) {
    const latest = [...new Map(files.map((file) => [file.path, file])).values()]
    const rows = yield* db.query(
      (sql) =>
        sql`
        with owner as materialized (
          update task t
             set lease_expires_at = case when t.lease_expires_at > clock_timestamp()
                                         then greatest(t.lease_expires_at, clock_timestamp() + make_interval(secs => t.lease_seconds))
                                         else t.lease_expires_at
                                    end
           where ${heldBy(sql, holder)}
             and ${about(sql, subject)}
          returning t.lease_id
        ), stored as (
          insert into delivered_file (lease_id, path, bytes, sha256, facts)
          select o.lease_id, f.path, f.bytes, f.sha256, f.facts
            from owner o
           cross join jsonb_to_recordset(${sql.json(latest)}) as f (path text, bytes bigint, sha256 text, facts jsonb)
          on conflict (lease_id, path) do update
             set bytes = excluded.bytes, sha256 = excluded.sha256, facts = excluded.facts, delivered_at = now()
        )
        select lease_id from owner`
    )
    if (rows.length > 0) return
    // Says why; that it should hold by now would be a change of hands in between.
    yield* jobs.held(subject, holder)
    return yield* new LeaseRefused({ reason: "superseded" })
  }, storeUnavailable)

  const sha256 = Effect.fn("DeliveryStore.sha256")(function* (lease: LeaseId, path: DeliveredPath) {
    const [row] = yield* db.rows(
      Sum,
      (sql) => sql`select sha256 from delivered_file where lease_id = ${lease} and path = ${path}`
    )
    return row?.sha256 ?? null
  }, storeUnavailable)

  const files = Effect.fn("DeliveryStore.files")(function* (lease: LeaseId) {
    return yield* db.rows(
      DeliveredFile,
      (sql) =>
        sql`select path, bytes::float8 as "bytes", sha256, facts from delivered_file where lease_id = ${lease} order by path`
    )
  }, storeUnavailable)

  return DeliveryStore.of({ put, sha256, files })
})

export const layer = Layer.effect(DeliveryStore, make)
