/** What people are shown of jobs. */
import { Effect, Option } from "effect"
import type { JobId, VideoId } from "../../../domain/ids.ts"
import { Job } from "../../../domain/jobs/Job.ts"
import { Db } from "../Db.ts"
import { storeUnavailable } from "../Rows.ts"

const jobColumns = `
  j.id,
  j.video_id   as "videoId",
  v.slug,
  case when j.state <> 'active' then j.state
       when exists (select from task t where t.job_id = j.id and t.state in ('leased', 'done')) then 'running'
       else 'queued'
  end          as "status",
  j.published,
  j.created_at as "createdAt",
  j.ended_at   as "endedAt",
  j.last_error as "lastError",
  (select coalesce(jsonb_agg(jsonb_build_object(
            'id',          t.id,
            'kind',        t.kind,
            'state',       t.state,
            'attempt',     t.attempt,
            'maxAttempts', t.max_attempts,
            'worker',      t.worker_id,
            'workerName',  w.name,
            'progress',    jsonb_build_object('step', t.step, 'percent', t.percent, 'renditions', t.renditions),
            'lastError',   t.last_error) order by t.id), '[]')
     from task t
     left join worker w on w.id = t.worker_id
    where t.job_id = j.id) as "tasks"`

export const makeQueries = Effect.gen(function* () {
  const db = yield* Db

  const job = Effect.fn("JobStore.job")(function* (id: JobId) {
    const rows = yield* db.rows(
      Job,
      (sql) => sql`select ${sql.unsafe(jobColumns)} from job j join video v on v.id = j.video_id where j.id = ${id}`
    )
    return Option.fromNullishOr(rows[0])
  }, storeUnavailable)

  const jobs = Effect.fn("JobStore.jobs")(function* (options: { readonly limit: number; readonly offset: number }) {
    return yield* db.rows(
      Job,
      (sql) =>
        sql`
        select ${sql.unsafe(jobColumns)}
          from job j
          join video v on v.id = j.video_id
         order by j.id desc
         limit ${options.limit} offset ${options.offset}`
    )
  }, storeUnavailable)

  const latestJob = Effect.fn("JobStore.latestJob")(function* (video: VideoId) {
    const rows = yield* db.rows(
      Job,
      (sql) =>
        sql`
        select ${sql.unsafe(jobColumns)}
          from job j
          join video v on v.id = j.video_id
         where j.video_id = ${video}
         order by j.id desc
         limit 1`
    )
    return Option.fromNullishOr(rows[0])
  }, storeUnavailable)

  return { job, jobs, latestJob }
})
