/** What an attempt may write while it holds its task. */
import { Effect, Option, Schema } from "effect"
import type { LeaseId } from "../../../domain/ids.ts"
import { RegisteredFile } from "../../../domain/media/Segment.ts"
import type { Holder, JobStore, Subject } from "../../../domain/ports/JobStore.ts"
import { FileConflict } from "../../../domain/ports/JobStore.ts"
import { Db } from "../Db.ts"
import { about, heldBy } from "../Holding.ts"
import { storeUnavailable } from "../Rows.ts"
import { makeNoteFacts } from "./Facts.ts"
import { Held } from "./Held.ts"
import { makeRefusal } from "./Refusal.ts"

const Renewed = Schema.Struct({ expiresAt: Schema.Date })
const Registered = Schema.Struct({ sha256: Schema.String })

export const makeAttemptWrites = Effect.gen(function* () {
  const db = yield* Db
  const refusal = yield* makeRefusal
  const noteFacts = yield* makeNoteFacts

  const held = Effect.fn("JobStore.held")(function* (subject: Subject, holder: Holder) {
    const [row] = yield* db.rows(
      Held,
      (sql) =>
        sql`
        select t.id as "taskId", t.job_id as "jobId", j.video_id as "videoId", t.lease_id as "leaseId"
          from task t
          join job j on j.id = t.job_id
         where ${heldBy(sql, holder)}
           and t.lease_expires_at > clock_timestamp()
           and ${about(sql, subject)}`
    )
    return row ?? (yield* yield* refusal(subject, holder))
  }, storeUnavailable)

  const renew = Effect.fn("JobStore.renew")(function* (
    subject: Subject,
    holder: Holder,
    report: Parameters<JobStore["Service"]["renew"]>[2]
  ) {
    const { progress } = report
    const [row] = yield* db.rows(
      Renewed,
      (sql) =>
        sql`
        update task t
           set lease_expires_at = greatest(t.lease_expires_at, clock_timestamp() + make_interval(secs => t.lease_seconds)),
               step             = ${progress.step},
               percent          = ${progress.percent},
               renditions       = ${sql.json(progress.renditions)}
         where ${heldBy(sql, holder)}
           and t.lease_expires_at > clock_timestamp()
           and ${about(sql, subject)}
        returning t.lease_expires_at as "expiresAt"`
    )
    if (row === undefined) return yield* yield* refusal(subject, holder)
    if (report.facts !== null) yield* noteFacts(subject, report.facts)
    return row
  }, storeUnavailable)

  const registered = Effect.fn("JobStore.registered")(function* (
    lease: LeaseId,
    file: Pick<RegisteredFile, "rendition" | "name">
  ) {
    const rows = yield* db.rows(
      RegisteredFile,
      (sql) =>
        sql`
        select rendition, name, bytes, sha256, facts
          from attempt_file
         where lease_id = ${lease} and rendition = ${file.rendition} and name = ${file.name}`
    )
    return Option.fromNullishOr(rows[0])
  }, storeUnavailable)

  const register = Effect.fn("JobStore.register")(function* (subject: Subject, holder: Holder, file: RegisteredFile) {
    const [row] = yield* db.rows(
      Registered,
      (sql) =>
        sql`
        insert into attempt_file (lease_id, rendition, name, bytes, sha256, facts, prefix_bytes, prefix_sha256)
        select t.lease_id, ${file.rendition}, ${file.name}, ${file.bytes}, ${file.sha256}, ${sql.json(file.facts)},
               ${file.prefix?.bytes ?? null}::bigint, ${file.prefix?.sha256 ?? null}::text
          from task t
         where ${heldBy(sql, holder)}
           and ${about(sql, subject)}
           for share of t
        on conflict (lease_id, rendition, name) do update set name = excluded.name
        returning sha256`
    )
    if (row === undefined) return yield* yield* refusal(subject, holder)
    if (row.sha256 !== file.sha256) return yield* new FileConflict({ path: `${file.rendition}/${file.name}` })
  }, storeUnavailable)

  return { held, renew, registered, register }
})
