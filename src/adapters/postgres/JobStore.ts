/**
 * JobStore on PostgreSQL. Each transition of a task is one conditional statement that tests the lease in the same
 * breath as it writes; the rules are those of `domain/jobs/Task.ts`. Locks are always taken task first, then job.
 */
import { Effect, Layer, Option, Schema } from "effect"
import { JobId, LeaseId, TaskId, VideoId } from "../../domain/ids.ts"
import { Job } from "../../domain/jobs/Job.ts"
import * as Task from "../../domain/jobs/Task.ts"
import type { Published } from "../../domain/media/PlaylistPresentation.ts"
import { RegisteredFile } from "../../domain/media/Segment.ts"
import type { Holder, Subject } from "../../domain/ports/JobStore.ts"
import { ClaimedTask, FileConflict, JobStore, LeaseRefused } from "../../domain/ports/JobStore.ts"
import type { SourceFacts } from "../../domain/videos/Video.ts"
import { Db, type Sql } from "./Db.ts"
import { about, heldBy } from "./Holding.ts"
import { sourceColumns, storeUnavailable } from "./Rows.ts"

const Held = Schema.Struct({ taskId: TaskId, jobId: JobId, videoId: VideoId, leaseId: LeaseId })
const Situation = Schema.Struct({
  state: Task.TaskState,
  current: Schema.Boolean,
  done: Schema.Boolean,
  live: Schema.Boolean,
  known: Schema.Boolean
})
const Renewed = Schema.Struct({ expiresAt: Schema.Date })
const Ended = Schema.Struct({ willRetry: Schema.Boolean, attempt: Schema.Int })
const Output = Schema.Struct({
  leaseId: LeaseId,
  languages: Schema.Record(Schema.String, Schema.String),
  files: Schema.Array(RegisteredFile)
})
const Swept = Schema.Struct({ requeued: Schema.Int, failed: Schema.Int })

/** After a pause longer than this the sweeper cannot know who is alive: no worker could have renewed. */
const trustedPauseSeconds = 45

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

const make = Effect.gen(function* () {
  const db = yield* Db

  /** After a conditional write that touched no row: why. */
  const refusal = Effect.fnUntraced(function* (subject: Subject, holder: Holder) {
    const tasks = yield* db.rows(
      Situation,
      (sql) =>
        sql`
        select t.state,
               t.worker_id = ${holder.worker} and t.state = 'leased'
                 and (${holder.lease}::uuid is null or t.lease_id = ${holder.lease}::uuid)   as "current",
               t.state = 'leased' and t.lease_expires_at > clock_timestamp()                 as "live",
               exists (select from attempt a where a.task_id = t.id and a.worker_id = ${holder.worker}) as "known",
               exists (select from attempt a
                        where a.task_id = t.id
                          and a.worker_id = ${holder.worker}
                          and a.lease_id = t.done_by
                          and (${holder.lease}::uuid is null or a.lease_id = ${holder.lease}::uuid)) as "done"
          from task t
         where ${about(sql, subject)}`
    )
    const mine = tasks.find((task) => task.current)
    if (tasks.length === 0) return new LeaseRefused({ reason: "not-found" })
    if (!tasks.some((task) => task.known)) return new LeaseRefused({ reason: "never-held" })
    if (mine !== undefined) return new LeaseRefused({ reason: mine.live ? "superseded" : "expired" })
    if (tasks.some((task) => task.done)) return new LeaseRefused({ reason: "ended" })
    if (tasks.some((task) => task.state === "cancelled")) return new LeaseRefused({ reason: "cancelled" })
    return new LeaseRefused({ reason: "superseded" })
  })

  const enqueue = Effect.fn("JobStore.enqueue")(function* (options: {
    readonly video: VideoId
    readonly priority: number
  }) {
    const [row] = yield* db.rows(
      Schema.Struct({ id: JobId }),
      (sql) =>
        sql`
        with created as (
          insert into job (video_id, priority) values (${options.video}, ${options.priority}) returning id, priority
        ), whole as (
          insert into task (job_id, kind, priority) select id, 'whole', priority from created
        )
        select id from created`
    )
    return row!.id
  }, storeUnavailable)

  const claim = Effect.fn("JobStore.claim")(function* (options: {
    readonly worker: Holder["worker"]
    readonly leaseSeconds: number
    readonly job: Option.Option<JobId>
  }) {
    const job = Option.getOrNull(options.job)
    const rows = yield* db.rows(
      ClaimedTask,
      (sql) =>
        sql`
        with next as materialized (
          select id
            from task
           where state = 'queued'
             and run_at <= now()
             ${job === null ? sql`` : sql`and job_id = ${job}`}
           order by priority desc, run_at, id
           limit 1
             for update skip locked
        ), leased as (
          update task t
             set state            = 'leased',
                 attempt          = t.attempt + 1,
                 lease_id         = gen_random_uuid(),
                 worker_id        = ${options.worker},
                 lease_seconds    = ${options.leaseSeconds},
                 lease_expires_at = clock_timestamp() + make_interval(secs => ${options.leaseSeconds}),
                 step             = null,
                 percent          = 0,
                 renditions       = '[]'
            from next
           where t.id = next.id
          returning t.*
        ), history as (
          insert into attempt (lease_id, task_id, attempt, worker_id, claimed_at)
          select lease_id, id, attempt, worker_id, clock_timestamp() from leased
        )
        select l.id               as "taskId",
               l.kind,
               l.first_frame      as "firstFrame",
               l.frame_count      as "frameCount",
               l.job_id           as "jobId",
               v.id               as "videoId",
               v.slug,
               ${sql.unsafe(sourceColumns)} as "source",
               l.lease_id         as "leaseId",
               l.attempt,
               l.lease_expires_at as "expiresAt"
          from leased l
          join job j on j.id = l.job_id
          join video v on v.id = j.video_id`
    )
    return Option.fromNullishOr(rows[0])
  }, storeUnavailable)

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

  const noteFacts = Effect.fnUntraced(function* (subject: Subject, facts: SourceFacts) {
    yield* db.query(
      (sql) =>
        sql`
        update video v
           set duration = ${facts.duration}, width = ${facts.width}, height = ${facts.height}
         where ${"video" in subject ? sql`v.id = ${subject.video}` : sql`v.id = (select video_id from job where id = ${subject.job})`}
           and (v.duration, v.width, v.height) is distinct from (${facts.duration}::float8, ${facts.width}::int, ${facts.height}::int)`
    )
  })

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
               renditions       = ${sql.json(progress.renditions as never)}
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
      Schema.Struct({ sha256: Schema.String }),
      (sql) =>
        sql`
        insert into attempt_file (lease_id, rendition, name, bytes, sha256, facts)
        select t.lease_id, ${file.rendition}, ${file.name}, ${file.bytes}, ${file.sha256}, ${sql.json(file.facts as never)}
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

  const filesOf = (lease: LeaseId) =>
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
               (select coalesce(jsonb_agg(jsonb_build_object(
                         'rendition', f.rendition,
                         'name',      f.name,
                         'bytes',     f.bytes,
                         'sha256',    f.sha256,
                         'facts',     f.facts)), '[]')
                  from attempt_file f
                 where f.lease_id = t.done_by) as "files"
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
          values (${ended.leaseId}, ${ended.videoId}, ${ended.jobId}, ${sql.json(presentation as never)})
        ), done as (
          update job set state = 'done', published = ${ended.leaseId}, ended_at = clock_timestamp(), last_error = null
           where id = ${ended.jobId}
        )
        update video set published = ${ended.leaseId}, published_at = clock_timestamp() where id = ${ended.videoId}`
    )
  })

  const complete: JobStore["Service"]["complete"] = (subject, holder, options) =>
    db
      .transaction(
        Effect.gen(function* () {
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
            update attempt a set ended_at = clock_timestamp(), outcome = 'done' from done where a.lease_id = done.done_by
          )
          select done.id as "taskId", done.job_id as "jobId", j.video_id as "videoId", done.done_by as "leaseId"
            from done
            join job j on j.id = done.job_id`
          )
          if (ended === undefined) {
            const refused = yield* refusal(subject, holder)
            return refused.reason === "ended" ? ("replayed" as const) : yield* refused
          }
          const files = yield* filesOf(ended.leaseId)
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

  /**
   * The common end of an attempt that made nothing: back to the queue after a pause, or failed for good, and with a
   * task fails its job. `ending` is a list of task id, lease id, outcome, error and whether another try is wanted.
   */
  const endAttempts = (sql: Sql, ending: ReturnType<Sql>) =>
    sql`
      ending as materialized (${ending}),
      ended as (
        update task t
           set state            = case when e.retry and t.attempt < t.max_attempts then 'queued' else 'failed' end,
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
           set ended_at = clock_timestamp(), outcome = e.outcome, error = e.error
          from ending e
         where a.lease_id = e.lease_id
      ), jobs as (
        update job j
           set state = 'failed', ended_at = clock_timestamp(), last_error = ended.last_error
          from ended
         where j.id = ended.job_id and ended.state = 'failed' and j.state = 'active'
        returning j.id
      ), siblings as (
        update task t
           set state = 'cancelled', lease_id = null, lease_seconds = null, lease_expires_at = null
          from jobs
         where t.job_id = jobs.id and t.state in ('queued', 'leased') and t.id not in (select id from ending)
      )`

  const fail = Effect.fn("JobStore.fail")(function* (
    subject: Subject,
    holder: Holder,
    options: { readonly error: string; readonly retry: boolean }
  ) {
    const [row] = yield* db.rows(
      Ended,
      (sql) =>
        sql`
        with ${endAttempts(
          sql,
          sql`
            select t.id, t.lease_id, 'failed' as outcome, ${options.error}::text as error, ${options.retry}::boolean as retry
              from task t
             where ${heldBy(sql, holder)}
               and ${about(sql, subject)}
               for update`
        )}
        select state = 'queued' as "willRetry", attempt from ended`
    )
    return row ?? (yield* yield* refusal(subject, holder))
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

  /** True when the sweeper has run lately enough that an expired lease means a dead worker. */
  const tick = db.rows(
    Schema.Struct({ trusted: Schema.Boolean }),
    (sql) =>
      sql`
      with before as (select last_run from sweeper for update)
      update sweeper
         set last_run = clock_timestamp()
        from before
      returning before.last_run > clock_timestamp() - make_interval(secs => ${trustedPauseSeconds}) as "trusted"`
  )

  const extendAll = db.query(
    (sql) =>
      sql`
      update task
         set lease_expires_at = greatest(lease_expires_at, clock_timestamp() + make_interval(secs => lease_seconds))
       where state = 'leased'`
  )

  const expireAll = db.rows(
    Swept,
    (sql) =>
      sql`
      with ${endAttempts(
        sql,
        sql`
          select t.id, t.lease_id, 'expired' as outcome, ${Task.lostWorker}::text as error, true as retry
            from task t
           where t.state = 'leased'
             and t.lease_expires_at <= clock_timestamp()
             for update skip locked`
      )}
      select (count(*) filter (where state = 'queued'))::int as "requeued",
             (count(*) filter (where state = 'failed'))::int as "failed"
        from ended`
  )

  const sweep = Effect.gen(function* () {
    const [ticked] = yield* tick
    if (ticked?.trusted !== true) {
      yield* extendAll
      return { requeued: 0, failed: 0, extended: true }
    }
    const [swept] = yield* expireAll
    return { requeued: 0, failed: 0, ...swept, extended: false }
  }).pipe(Effect.withSpan("JobStore.sweep"), storeUnavailable)

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

  return JobStore.of({
    enqueue,
    claim,
    held,
    renew,
    registered,
    register,
    complete,
    fail,
    release,
    sweep,
    job,
    jobs,
    latestJob
  })
})

export const layer = Layer.effect(JobStore, make)
