/** How work comes into the queue, and from there to a worker. */
import { Array as Arr, Effect, Exit, Option, Request, Schema } from "effect"
import { JobId } from "../../../domain/ids.ts"
import { bytesPerPixelSecond, processorCost, worthWaiting } from "../../../domain/jobs/Wishes.ts"
import type { JobStore } from "../../../domain/ports/JobStore.ts"
import { ClaimedTask } from "../../../domain/ports/JobStore.ts"
import { currentTrace } from "../../../domain/telemetry/TraceContext.ts"
import type { StoreUnavailable } from "../../../domain/ports/StoreUnavailable.ts"
import { Db, type Sql } from "../Db.ts"
import { sourceColumns, storeUnavailable, traceOf } from "../Rows.ts"
import { gathered } from "./Gathered.ts"

type ClaimOptions = Parameters<JobStore["Service"]["claim"]>[0]

class Claim extends Request.Class<ClaimOptions, Option.Option<ClaimedTask>, StoreUnavailable> {}

const Enqueued = Schema.Struct({ id: JobId })

/** One of the callers that a statement answered: the how manieth, and what it got. */
const Answer = Schema.Union([
  Schema.Struct({ ...ClaimedTask.fields, turn: Schema.Int }),
  Schema.Struct({ turn: Schema.Int, taskId: Schema.Null })
])

/**
 * Callers answered by one statement, at most. Their number stands in its text, because a limit that PostgreSQL does not
 * know when it plans may make it sort the whole queue.
 */
const together = 32

/** A worker that beats this rarely is not alive enough to be waited for: two heartbeats of VLog's workers. */
const aliveSeconds = 60

/** What a worker said last, in a heartbeat or at its registration, of the worker aliased `w`. */
const said = `coalesce(w.metadata -> 'capabilities', w.capabilities)`
const codecsOf = `coalesce(${said} -> 'supported_codecs', '["h264"]')`
const hasGpu = `coalesce((${said} ->> 'hwaccel_enabled')::boolean, false)`

/** Read only where a task turns up that may be left to them. */
const idleGpus = (sql: Sql) =>
  sql`
        idle_gpu as materialized (
          select ${sql.unsafe(codecsOf)} as codecs
            from worker w
           where w.status = 'idle'
             and w.last_heartbeat > now() - make_interval(secs => ${aliveSeconds})
             and ${sql.unsafe(hasGpu)}
             and not exists (select from task h where h.state = 'leased' and h.worker_id = w.id)
        )`

/** A worker without a GPU leaves what profits to an idle one that can do it, and not for long. */
const leftToGpus = (sql: Sql, seconds: number) =>
  seconds === 0
    ? sql``
    : sql`
             and not (suits_gpu
                      and run_at > now() - make_interval(secs => ${seconds})
                      and not (select gpu from asked where turn = 1)
                      and exists (select from idle_gpu g where needs_codec is null or g.codecs ? needs_codec))`

export const makeClaiming = Effect.gen(function* () {
  const db = yield* Db

  const enqueue: JobStore["Service"]["enqueue"] = Effect.fn("enqueue", { kind: "producer" })(function* (options) {
    const codec = options.codec ?? null
    const trace = yield* currentTrace
    const [row] = yield* db.rows(
      Enqueued,
      (sql) =>
        sql`
        with created as (
          insert into job (video_id, priority, codec, codec_required, traceparent, tracestate)
          values (${options.video}, ${options.priority}, ${codec?.name ?? null}, ${codec?.required ?? false},
                  ${trace?.traceparent ?? null}, ${trace?.tracestate ?? null})
          on conflict (video_id) where state = 'active' do nothing
          returning id, video_id, priority
        ), whole as (
          insert into task (job_id, kind, priority, run_at, needs_codec, suits_gpu)
          select c.id,
                 'whole',
                 c.priority,
                 greatest(now(), ${options.runAt ?? null}::timestamptz),
                 ${codec?.required === true ? codec.name : null},
                 coalesce(v.width::float8 * v.height * v.duration, v.source_bytes / ${bytesPerPixelSecond}::float8)
                   * ${processorCost[codec?.name ?? "h264"]}::float8 >= ${worthWaiting}::float8
            from created c
            join video v on v.id = c.video_id
        )
        select id from created`
    )
    return Option.map(Option.fromUndefinedOr(row), ({ id }) => id)
  }, storeUnavailable)

  const claimFor = (callers: Arr.NonEmptyReadonlyArray<ClaimOptions>) => {
    const job = Option.getOrNull(callers[0].job)
    return db.rows(
      Answer,
      (sql) =>
        sql`
        with asked as materialized (
          select a.worker, a.seconds, a.turn, ${sql.unsafe(codecsOf)} as codecs, ${sql.unsafe(hasGpu)} as gpu,
                 coalesce(w.status = 'disabled', false) as disabled
            from unnest(${callers.map(({ worker }) => worker)}::uuid[],
                        ${callers.map(({ leaseSeconds }) => leaseSeconds)}::int[]) with ordinality as a (worker, seconds, turn)
            left join worker w on w.id = a.worker
        ), caller as materialized (
          select a.worker, a.seconds, a.turn,
                 case when a.disabled then null else row_number() over (partition by a.disabled order by a.turn) end as place
            from asked a
            join asked first on first.turn = 1 and a.codecs = first.codecs and a.gpu = first.gpu
        ), ${idleGpus(sql)}, next as materialized (
          select id, priority, run_at
            from task
           where state = 'queued'
             and run_at <= now()
             ${job === null ? sql`` : sql`and job_id = ${job}`}
             and (needs_codec is null or (select codecs from asked where turn = 1) ? needs_codec)
             ${leftToGpus(sql, callers[0].gpuWaitSeconds ?? 0)}
           order by priority desc, run_at, id
           limit ${sql.unsafe(String(callers.length))}
             for update skip locked
        ), leased as (
          update task t
             set state            = 'leased',
                 attempt          = t.attempt + 1,
                 lease_id         = gen_random_uuid(),
                 worker_id        = c.worker,
                 lease_seconds    = c.seconds,
                 lease_expires_at = clock_timestamp() + make_interval(secs => c.seconds),
                 step             = null,
                 percent          = 0,
                 renditions       = '[]'
            from (select id, row_number() over (order by priority desc, run_at, id) as place from next) n
            join caller c on c.place = n.place
           where t.id = n.id
          returning t.*, c.turn
        ), history as (
          insert into attempt (lease_id, task_id, attempt, worker_id, claimed_at, claimable_at)
          select lease_id, id, attempt, worker_id, clock_timestamp(), run_at from leased
        )
        select c.turn,
               l.id               as "taskId",
               l.kind,
               l.first_frame      as "firstFrame",
               l.frame_count      as "frameCount",
               l.job_id           as "jobId",
               v.id               as "videoId",
               v.slug,
               ${sql.unsafe(sourceColumns)} as "source",
               case when j.codec is not null then jsonb_build_object('name', j.codec, 'required', j.codec_required) end as "codec",
               l.lease_id         as "leaseId",
               l.attempt,
               l.lease_expires_at as "expiresAt",
               ${sql.unsafe(traceOf("j"))} as "trace"
          from caller c
          left join leased l on l.turn = c.turn
          left join job j on j.id = l.job_id
          left join video v on v.id = j.video_id`
    )
  }

  /** Callers that can do other things than the first are left for the next statement: each gets the first that it can do. */
  const answer = Effect.fnUntraced(function* (entries: Arr.NonEmptyReadonlyArray<Request.Entry<Claim>>) {
    let waiting: ReadonlyArray<Request.Entry<Claim>> = entries
    while (Arr.isReadonlyArrayNonEmpty(waiting)) {
      const callers = Arr.take(waiting, together) as Arr.NonEmptyArray<Request.Entry<Claim>>
      const answers = yield* claimFor(Arr.map(callers, ({ request }) => request))
      const answered = new Set(
        answers.map(({ turn, ...task }) => {
          const entry = callers[turn - 1]!
          entry.completeUnsafe(Exit.succeed(task.taskId === null ? Option.none() : Option.some(task)))
          return entry
        })
      )
      waiting = waiting.filter((entry) => !answered.has(entry))
    }
  }, storeUnavailable)

  // Workers that wait are woken all at once. Much of each statement is waiting for the disk, which several can do together.
  const claims = yield* gathered<Claim>(answer, {
    atOnce: 3,
    key: ({ gpuWaitSeconds, job }) => `${Option.getOrElse(job, () => "any")} ${gpuWaitSeconds}`
  })

  const claim: JobStore["Service"]["claim"] = Effect.fn("JobStore.claim")((options) =>
    Effect.request(new Claim(options), claims)
  )

  return { enqueue, claim }
})
