/** What people are shown of jobs. */
import { Effect, Option, Schema } from "effect"
import type { JobId, VideoId } from "../../../domain/ids.ts"
import { Attempt } from "../../../domain/jobs/Attempt.ts"
import { Job } from "../../../domain/jobs/Job.ts"
import type { JobFilter, JobStore } from "../../../domain/ports/JobStore.ts"
import { Db, type Sql } from "../Db.ts"
import { Count, storeUnavailable } from "../Rows.ts"

const jobColumns = `
  j.id,
  j.video_id   as "videoId",
  v.slug,
  case when j.state <> 'active' then j.state
       when exists (select from task t where t.job_id = j.id and t.state in ('leased', 'done')) then 'running'
       else 'queued'
  end          as "status",
  j.priority,
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

/** Seconds from the time that a transaction notes to the moment in which others see what it wrote, and some more. */
const lag = 60

const Now = Schema.Struct({ at: Schema.Date })

const jobStatus = (sql: Sql, status: Job["status"]) => {
  if (status !== "queued" && status !== "running") return sql`j.state = ${status}`
  const begun = sql`exists (select from task t where t.job_id = j.id and t.state in ('leased', 'done'))`
  return status === "running" ? sql`j.state = 'active' and ${begun}` : sql`j.state = 'active' and not ${begun}`
}

const matching = (sql: Sql, { status, video }: JobFilter) =>
  sql`
    true
    ${video === undefined ? sql`` : sql`and j.video_id = ${video}`}
    ${status === undefined ? sql`` : sql`and ${jobStatus(sql, status)}`}`

export const makeQueries = Effect.gen(function* () {
  const db = yield* Db

  const job = Effect.fn("JobStore.job")(function* (id: JobId) {
    const rows = yield* db.rows(
      Job,
      (sql) => sql`select ${sql.unsafe(jobColumns)} from job j join video v on v.id = j.video_id where j.id = ${id}`
    )
    return Option.fromNullishOr(rows[0])
  }, storeUnavailable)

  const jobs = Effect.fn("JobStore.jobs")(function* (
    options: JobFilter & { readonly limit: number; readonly offset: number }
  ) {
    return yield* db.rows(
      Job,
      (sql) =>
        sql`
        select ${sql.unsafe(jobColumns)}
          from job j
          join video v on v.id = j.video_id
         where ${matching(sql, options)}
         order by j.id desc
         limit ${options.limit} offset ${options.offset}`
    )
  }, storeUnavailable)

  const countJobs = Effect.fn("JobStore.countJobs")(function* (filter: JobFilter) {
    const [row] = yield* db.rows(
      Count,
      (sql) => sql`select count(*)::int as count from job j where ${matching(sql, filter)}`
    )
    return row!.count
  }, storeUnavailable)

  const latestJobs = Effect.fn("JobStore.latestJobs")(function* (videos: ReadonlyArray<VideoId>) {
    const rows = yield* db.rows(
      Job,
      (sql) =>
        sql`
        select ${sql.unsafe(jobColumns)}
          from unnest(${[...videos]}::int[]) as wanted (id)
          join video v on v.id = wanted.id
          join lateral (select * from job where video_id = v.id order by id desc limit 1) j on true`
    )
    return new Map(rows.map((row) => [row.videoId, row]))
  }, storeUnavailable)

  const jobsOf = Effect.fn("JobStore.jobsOf")(function* (ids: ReadonlyArray<JobId>) {
    return yield* db.rows(
      Job,
      (sql) =>
        sql`
        select ${sql.unsafe(jobColumns)}
          from job j
          join video v on v.id = j.video_id
         where j.id = any(${[...ids]}::int[])
         order by j.id`
    )
  }, storeUnavailable)

  const stirring: JobStore["Service"]["stirring"] = Effect.fn("JobStore.stirring")(function* ({ limit, since }) {
    const [now] = yield* db.rows(Now, (sql) => sql`select clock_timestamp() as "at"`)
    const rows = yield* db.rows(
      Job,
      (sql) =>
        sql`
        select ${sql.unsafe(jobColumns)}
          from job j
          join video v on v.id = j.video_id
         where j.id in (
                 (select t.job_id from task t where t.state = 'leased' limit ${limit + 1})
                 union
                 (select c.id
                    from job c
                   where c.changed_at > greatest(coalesce(${since}::timestamptz, now()) - make_interval(secs => ${lag}),
                                                 now() - interval '1 day')
                   order by c.changed_at desc
                   limit ${limit + 1}))
         order by j.changed_at desc, j.id desc
         limit ${limit + 1}`
    )
    return { jobs: rows.slice(0, limit).toReversed(), at: now!.at, complete: rows.length <= limit }
  }, storeUnavailable)

  const latestJob = (video: VideoId) =>
    Effect.map(latestJobs([video]), (found) => Option.fromUndefinedOr(found.get(video)))

  const attempts = Effect.fn("JobStore.attempts")(function* (id: JobId) {
    return yield* db.rows(
      Attempt,
      (sql) =>
        sql`
        select a.lease_id   as "leaseId",
               a.task_id    as "taskId",
               a.attempt,
               a.worker_id  as "worker",
               w.name       as "workerName",
               a.claimed_at as "claimedAt",
               a.ended_at   as "endedAt",
               a.outcome,
               a.error,
               a.stderr,
               a.notes
          from attempt a
          join task t on t.id = a.task_id
          left join worker w on w.id = a.worker_id
         where t.job_id = ${id}
         order by a.claimed_at, a.lease_id`
    )
  }, storeUnavailable)

  return { job, jobs, jobsOf, stirring, countJobs, latestJobs, latestJob, attempts }
})
