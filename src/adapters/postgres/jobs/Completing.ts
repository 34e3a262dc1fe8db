/** How a task is done, and with the last of a job its publication. */
import { Effect, Schema } from "effect"
import { nothingTold } from "../../../domain/jobs/Attempt.ts"
import type { JobId } from "../../../domain/ids.ts"
import { LeaseId } from "../../../domain/ids.ts"
import type { Published } from "../../../domain/media/PlaylistPresentation.ts"
import { RegisteredFile } from "../../../domain/media/Segment.ts"
import type { JobStore } from "../../../domain/ports/JobStore.ts"
import { Db } from "../Db.ts"
import { about, heldBy } from "../Holding.ts"
import { storeUnavailable } from "../Rows.ts"
import { makeNoteFacts } from "./Facts.ts"
import { filesOf } from "./Files.ts"
import { Held } from "./Held.ts"
import { makeRefusal } from "./Refusal.ts"

const Output = Schema.Struct({
  leaseId: LeaseId,
  languages: Schema.Record(Schema.String, Schema.String),
  files: Schema.Array(RegisteredFile)
})

export const makeCompleting = Effect.gen(function* () {
  const db = yield* Db
  const refusal = yield* makeRefusal
  const noteFacts = yield* makeNoteFacts

  const registeredBy = (lease: LeaseId) =>
    db.rows(
      RegisteredFile,
      (sql) => sql`select rendition, name, bytes, sha256, facts from attempt_file where lease_id = ${lease}`
    )

  const outputsOf = (job: JobId) =>
    db.rows(
      Output,
      (sql) =>
        sql`
        select t.done_by as "leaseId",
               t.languages,
               ${filesOf(sql, sql`t.done_by`)} as "files"
          from task t
         where t.job_id = ${job}
           and t.state = 'done'
         order by t.first_frame nulls first, t.id`
    )

  const publishJob = Effect.fnUntraced(function* (ended: typeof Held.Type, presentation: Published) {
    yield* db.query(
      (sql) =>
        sql`
        with published as (
          insert into publication (id, video_id, job_id, presentation)
          values (${ended.leaseId}, ${ended.videoId}, ${ended.jobId}, ${sql.json(presentation)})
        ), done as (
          update job set state = 'done', published = ${ended.leaseId}, ended_at = clock_timestamp(), last_error = null
           where id = ${ended.jobId}
        )
        update video set published = ${ended.leaseId}, published_at = clock_timestamp() where id = ${ended.videoId}`
    )
  })

  /** What an attempt uploaded but does not stand by is no part of the output. */
  const keepOnly = (lease: LeaseId, files: ReadonlyArray<RegisteredFile>) =>
    db.query(
      (sql) =>
        sql`
        delete from attempt_file
         where lease_id = ${lease}
           and (rendition, name) not in (
                 select * from unnest(${files.map((file) => file.rendition)}::text[], ${files.map((file) => file.name)}::text[]))`
    )

  const complete: JobStore["Service"]["complete"] = (subject, holder, options) =>
    db
      .transaction(
        Effect.gen(function* () {
          const account = options.account ?? nothingTold
          const [ended] = yield* db.rows(
            Held,
            (sql) =>
              sql`
          with done as (
            update task t
               set state            = 'done',
                   done_by          = t.lease_id,
                   languages        = ${sql.json(options.languages)},
                   lease_id         = null,
                   lease_seconds    = null,
                   lease_expires_at = null,
                   percent          = 100,
                   last_error       = null
             where ${heldBy(sql, holder)}
               and ${about(sql, subject)}
            returning t.id, t.job_id, t.done_by
          ), history as (
            update attempt a
               set ended_at = clock_timestamp(), outcome = 'done', stderr = ${account.stderr},
                   notes = ${sql.json(account.notes)}
              from done
             where a.lease_id = done.done_by
          )
          select done.id as "taskId", done.job_id as "jobId", j.video_id as "videoId", done.done_by as "leaseId"
            from done
            join job j on j.id = done.job_id`
          )
          if (ended === undefined) {
            const refused = yield* refusal(subject, holder)
            return refused.reason === "ended" ? ("replayed" as const) : yield* refused
          }
          const files = yield* registeredBy(ended.leaseId)
          const confirmed = yield* options.confirm(files)
          if (confirmed.length < files.length) yield* keepOnly(ended.leaseId, confirmed)
          yield* noteFacts({ video: ended.videoId }, options.facts)

          // Whoever ends a task of this job waits here, and sees then what the one before has committed.
          yield* db.query((sql) => sql`select from job where id = ${ended.jobId} for update`)
          const unfinished = yield* db.query(
            (sql) => sql`select from task where job_id = ${ended.jobId} and state <> 'done' limit 1`
          )
          if (unfinished.length === 0) {
            const presentation = yield* options.publish(ended.leaseId, yield* outputsOf(ended.jobId))
            yield* publishJob(ended, presentation)
          }
          return "completed" as const
        })
      )
      .pipe(Effect.withSpan("JobStore.complete"), storeUnavailable)

  return { complete }
})
