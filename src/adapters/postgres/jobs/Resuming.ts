/** How an attempt goes on with what an earlier one uploaded. */
import { Effect, Option, Schema } from "effect"
import { LeaseId } from "../../../domain/ids.ts"
import { RegisteredFile } from "../../../domain/media/Segment.ts"
import type { JobStore } from "../../../domain/ports/JobStore.ts"
import { Db } from "../Db.ts"
import { about, heldBy } from "../Holding.ts"
import { storeUnavailable } from "../Rows.ts"
import { filesOf } from "./Files.ts"
import { makeRefusal } from "./Refusal.ts"

const Begun = Schema.Struct({
  lease: Schema.NullOr(LeaseId),
  files: Schema.Array(RegisteredFile)
})

export const makeResuming = Effect.gen(function* () {
  const db = yield* Db
  const refusal = yield* makeRefusal

  /**
   * The newest attempt has all that was taken over by those before it. One that had taken something over and then failed
   * may have failed by it: after that, and until there is a newer one, everything is made afresh.
   */
  const begin: JobStore["Service"]["begin"] = Effect.fn("JobStore.begin")(function* (subject, holder, fingerprint) {
    const [row] = yield* db.rows(
      Begun,
      (sql) =>
        sql`
        with mine as (
          update attempt a
             set fingerprint = ${fingerprint}
            from task t
           where a.lease_id = t.lease_id
             and ${heldBy(sql, holder)}
             and ${about(sql, subject)}
          returning a.lease_id, a.task_id
        ), newest as (
          select e.lease_id, e.resumed and e.outcome = 'failed' as doubtful
            from attempt e
            join mine on mine.task_id = e.task_id and mine.lease_id <> e.lease_id
           where e.fingerprint = ${fingerprint}
             and exists (select from attempt_file f where f.lease_id = e.lease_id)
           order by e.claimed_at desc
           limit 1
        )
        select n.lease_id as "lease",
               ${filesOf(sql, sql`n.lease_id`)} as "files"
          from mine
          left join newest n on not coalesce(n.doubtful, false)`
    )
    if (row === undefined) return yield* yield* refusal(subject, holder)
    const { files, lease } = row
    return lease === null ? Option.none() : Option.some({ lease, files })
  }, storeUnavailable)

  const adopt: JobStore["Service"]["adopt"] = Effect.fn("JobStore.adopt")(function* (
    subject,
    holder,
    { files, lease }
  ) {
    const column = (name: "rendition" | "name" | "sha256") => files.map((file): string => file[name])
    const rows = yield* db.query(
      (sql) =>
        sql`
        with held as materialized (
          select t.id, t.lease_id from task t where ${heldBy(sql, holder)} and ${about(sql, subject)} for share of t
        ), mine as (
          update attempt a
             set resumed = true
            from held h, attempt e
           where a.lease_id = h.lease_id
             and e.lease_id = ${lease}
             and e.task_id = h.id
             and e.fingerprint = a.fingerprint
          returning a.lease_id
        )
        insert into attempt_file (lease_id, rendition, name, bytes, sha256, facts, prefix_bytes, prefix_sha256)
        select mine.lease_id, f.rendition, f.name, f.bytes, f.sha256, f.facts, f.prefix_bytes, f.prefix_sha256
          from mine
          join attempt_file f on f.lease_id = ${lease}
          join unnest(${column("rendition")}::text[], ${column("name")}::text[], ${column("sha256")}::text[])
               as wanted (rendition, name, sha256)
            on (wanted.rendition, wanted.name, wanted.sha256) = (f.rendition, f.name, f.sha256)
        on conflict (lease_id, rendition, name) do update set name = excluded.name
        returning 1`
    )
    if (rows.length === 0) return yield* yield* refusal(subject, holder)
  }, storeUnavailable)

  return { begin, adopt }
})
