/** How a video goes, and what is kept of it until its files have gone too. */
import { Effect, Option, Schema } from "effect"
import type { VideoId } from "../../domain/ids.ts"
import { RemovedVideo } from "../../domain/videos/Video.ts"
import { Db, retryRaces } from "./Db.ts"
import { storeUnavailable } from "./Rows.ts"

const Gone = Schema.Struct({ ...RemovedVideo.fields, endedLeases: Schema.Int })

const columns = `r.id, r.extension, to_jsonb(r.publications) as "publications", to_jsonb(r.attempts) as "attempts"`

export const makeRemoval = Effect.gen(function* () {
  const db = yield* Db

  /** Tasks before the video, as writers lock them; what those have committed is seen by the statement after this. */
  const lock = Effect.fnUntraced(function* (slug: string) {
    yield* db.query(
      (sql) =>
        sql`
        select from task
         where job_id in (select j.id from job j join video v on v.id = j.video_id where v.slug = ${slug})
         order by id
           for update`
    )
    yield* db.query((sql) => sql`select from video where slug = ${slug} for update`)
  })

  const takeOut = (slug: string) =>
    db.rows(
      Gone,
      (sql) =>
        sql`
        with gone as (
          delete from video where slug = ${slug} returning id, slug, source_extension
        ), r as (
          insert into removed_video (id, slug, extension, publications, attempts)
          select g.id, g.slug, g.source_extension,
                 array(select p.id from publication p where p.video_id = g.id),
                 array(select a.lease_id from attempt a join task t on t.id = a.task_id join job j on j.id = t.job_id
                        where j.video_id = g.id)
            from gone g
          returning *
        ), leases as (
          insert into removed_lease (lease_id, video_id, job_id, worker_id)
          select t.lease_id, j.video_id, t.job_id, t.worker_id
            from task t
            join job j on j.id = t.job_id
            join r on r.id = j.video_id
           where t.state = 'leased'
          returning lease_id
        )
        select ${sql.unsafe(columns)}, (select count(*)::int from leases) as "endedLeases" from r`
    )

  const remove = Effect.fn("VideoStore.remove")(function* (slug: string) {
    const rows = yield* db.transaction(Effect.andThen(lock(slug), takeOut(slug))).pipe(retryRaces)
    return Option.map(Option.fromUndefinedOr(rows[0]), ({ endedLeases, ...removed }) => ({ removed, endedLeases }))
  }, storeUnavailable)

  const wasRemoved = Effect.fn("VideoStore.wasRemoved")(function* (slug: string) {
    return (yield* db.query((sql) => sql`select from removed_video where slug = ${slug} limit 1`)).length > 0
  }, storeUnavailable)

  const withFilesLeft = db
    .rows(
      RemovedVideo,
      (sql) => sql`select ${sql.unsafe(columns)} from removed_video r where not r.files_gone order by r.id limit 1000`
    )
    .pipe(storeUnavailable)

  const noteFilesRemoved = Effect.fn("VideoStore.noteFilesRemoved")(function* (video: VideoId) {
    yield* db.query((sql) => sql`update removed_video set files_gone = true where id = ${video}`)
  }, storeUnavailable)

  const forgetRemoved = Effect.fn("VideoStore.forgetRemoved")(function* ({ days }: { readonly days: number }) {
    yield* db.query(
      (sql) => sql`delete from removed_video where files_gone and removed_at < now() - make_interval(days => ${days})`
    )
  }, storeUnavailable)

  return { remove, wasRemoved, withFilesLeft, noteFilesRemoved, forgetRemoved }
})
