/** The queue as it is: commands done to a real store, and everything that they left, with the audit of it. */
import { Context, Effect, Layer, Option, Schema } from "effect"
import { audit } from "../../../src/adapters/postgres/audit.ts"
import { Db } from "../../../src/adapters/postgres/Db.ts"
import * as PostgresJobControl from "../../../src/adapters/postgres/JobControl.ts"
import { JobId, VideoId, type WorkerId } from "../../../src/domain/ids.ts"
import * as Progress from "../../../src/domain/jobs/Progress.ts"
import { RenditionName } from "../../../src/domain/media/Rendition.ts"
import type { RegisteredFile } from "../../../src/domain/media/Segment.ts"
import { JobControl, type JobRefused } from "../../../src/domain/ports/JobControl.ts"
import { JobStore, type LeaseRefused } from "../../../src/domain/ports/JobStore.ts"
import type { StoreUnavailable } from "../../../src/domain/ports/StoreUnavailable.ts"
import { sha256, workerId } from "../../domain/support/ids.ts"
import type { Operating, Single, Writing } from "./Command.ts"
import { type Answer, callerOf, idleVideo, jobAt, leaseSeconds, maxAttempts, type Model, mostVideos } from "./model.ts"

export const workers: ReadonlyArray<WorkerId> = [workerId(1), workerId(2)]

/** Between the reading and the writing of a store that does it in two steps. */
export const InBetween = Context.Reference<Effect.Effect<void>>("vlog/test/support/queue/InBetween", {
  defaultValue: () => Effect.void
})

const fileOf = (name: number, content: number): RegisteredFile => ({
  rendition: RenditionName.make("360p"),
  name: `seg_0000${name}.m4s`,
  bytes: 1000,
  sha256: sha256(content),
  facts: { _tag: "MediaSegment", decodeTime: 0, duration: 4000, samples: 100, startsWithKeyframe: true }
})

const presentation = { renditions: [] } as never

const facts = { duration: 4, width: 640, height: 360 }

const Id = Schema.Struct({ id: Schema.Int })

const Dump = Schema.Struct({ dump: Schema.Unknown, breaches: Schema.Array(Schema.Unknown) })

const seconds = (column: string) => `extract(epoch from ${column} - timestamptz '2026-01-01')::int`

/** Everything that matters, in one statement and so at one moment. */
const dumpAll = `
  select jsonb_build_object(
           'videos',   (select coalesce(jsonb_agg(jsonb_build_array(id, published) order by id), '[]') from video),
           'jobs',     (select coalesce(jsonb_agg(jsonb_build_array(id, state, published) order by id), '[]') from job),
           'tasks',    (select coalesce(jsonb_agg(jsonb_build_array(
                                 id, state, attempt, case when state in ('queued', 'leased') then ${seconds("run_at")} end, lease_id, case when state = 'leased' then worker_id end,
                                 ${seconds("lease_expires_at")}, done_by, last_error) order by id), '[]') from task),
           'attempts', (select coalesce(jsonb_agg(jsonb_build_array(
                                 lease_id, task_id, worker_id, ${seconds("claimed_at")}, ${seconds("ended_at")}, outcome)
                                 order by lease_id), '[]') from attempt),
           'files',    (select coalesce(jsonb_agg(jsonb_build_array(lease_id, name, sha256) order by lease_id, name), '[]')
                          from attempt_file)) as "dump",
         (select coalesce(jsonb_agg(to_jsonb(a)), '[]') from (${audit}) a) as "breaches"`
/** As a template, so that the server plans it once. */
const dumpStatement: TemplateStringsArray = Object.assign([dumpAll], { raw: [dumpAll] })

const byFirst = <A extends ReadonlyArray<unknown>>(rows: ReadonlyArray<A>) =>
  rows.toSorted((a, b) => (String(a[0]) + String(a[1]) < String(b[0]) + String(b[1]) ? -1 : 1))

/** What `dumpAll` must say. */
export const expected = (model: Model, jobStateOf: (job: number) => string) => ({
  videos: model.videos.map(({ id, published }) => [id, published]),
  jobs: model.jobs.map(({ id, published }) => [id, jobStateOf(id), published]),
  tasks: model.tasks.map(({ id, task }) => [
    id,
    task.state,
    task.attempt,
    task.state === "queued" || task.state === "leased" ? task.runAt : null,
    task.lease?.id ?? null,
    task.lease?.worker ?? null,
    task.lease?.expiresAt ?? null,
    task.doneBy,
    task.state === "done" ? null : task.lastError
  ]),
  attempts: byFirst(
    model.attempts.map(({ claimedAt, ended, lease, task, worker }) => [
      lease,
      task,
      worker,
      claimedAt,
      ended?.at ?? null,
      ended?.outcome ?? null
    ])
  ),
  files: byFirst(model.files.map(({ content, lease, name }) => [lease, fileOf(name, content).name, sha256(content)]))
})

export class Queue extends Context.Service<
  Queue,
  {
    /** An empty queue, and time at its beginning. */
    readonly reset: Effect.Effect<void>
    /** Through the first or the second replica of the API: what one does by itself, two must not do to each other. */
    run(command: Single, model: Model, replica: 0 | 1): Effect.Effect<Answer>
    readonly dump: Effect.Effect<typeof Dump.Type>
  }
>()("vlog/test/support/queue/Queue") {
  static readonly layer = <E>(store: Layer.Layer<JobStore, E, Db>) =>
    Layer.effect(
      Queue,
      Effect.gen(function* () {
        const db = yield* Db
        const execute = (statement: string) => Effect.asVoid(Effect.orDie(db.query((sql) => sql.unsafe(statement))))

        yield* execute(`alter table task alter max_attempts set default ${maxAttempts}`)
        yield* execute(`
        insert into worker (id, name, type, status)
        values ${workers.map((id, n) => `('${id}', 'worker-${n}', 'remote', 'active')`).join(", ")}
        on conflict do nothing`)

        const through = (jobs: JobStore["Service"], control: JobControl["Service"]) => {
          const enqueue = Effect.fnUntraced(function* (video: number, priority: number) {
            return Option.getOrThrow(yield* Effect.orDie(jobs.enqueue({ video: VideoId.make(video), priority })))
          })

          const tasksOf = (job: number) =>
            Effect.orDie(db.rows(Id, (sql) => sql`select id from task where job_id = ${job} order by id`)).pipe(
              Effect.map((rows) => rows.map(({ id }) => id))
            )

          const upload = Effect.fnUntraced(function* (command: Extract<Single, { _tag: "Upload" }>) {
            const [video] = yield* Effect.orDie(
              db.rows(
                Id,
                (sql) =>
                  sql`
              insert into video (slug, title, source_file_name, source_extension, source_bytes, source_sha256)
              values (gen_random_uuid()::text, 'Film', 'film.mp4', '.mp4', 1000, ${sha256(9)})
              returning id`
              )
            )
            const job = yield* enqueue(video!.id, command.priority)
            if (command.tasks > 1) {
              yield* execute(`
            update task set kind = 'range', first_frame = 0, frame_count = 100 where job_id = ${job};
            insert into task (job_id, kind, first_frame, frame_count, priority) values (${job}, 'range', 100, 100, ${command.priority})`)
            }
            if (command.delay > 0) {
              yield* execute(
                `update task set run_at = run_at + interval '${command.delay} seconds' where job_id = ${job}`
              )
            }
            return { _tag: "Uploaded", video: video!.id, job, tasks: yield* tasksOf(job) } as const
          })

          const claim = Effect.fnUntraced(function* (command: Extract<Single, { _tag: "Claim" }>, model: Model) {
            const wanted = command.job === null ? undefined : jobAt(model, command.job)
            if (command.job !== null && wanted === undefined) return { _tag: "Skipped" } as const
            const job = Option.map(Option.fromUndefinedOr(wanted), ({ id }) => JobId.make(id))
            const claimed = yield* jobs.claim({ worker: workers[command.worker]!, leaseSeconds, job })
            return Option.match(claimed, {
              onNone: () => ({ _tag: "Nothing" }) as const,
              onSome: ({ attempt, leaseId, taskId }) =>
                ({ _tag: "Claimed", task: taskId, attempt, lease: leaseId }) as const
            })
          })

          const write = (command: Writing, model: Model) => {
            const caller = callerOf(model, command.by)
            if (caller === null) return Effect.succeed({ _tag: "Skipped" } as const)
            const subject = { job: JobId.make(caller.task.job) }
            const holder = { worker: caller.worker, lease: caller.lease }
            const done = Effect.as({ _tag: "Done" } as const)
            switch (command._tag) {
              case "Renew":
                return done(jobs.renew(subject, holder, { progress: Progress.none, facts: null }))
              case "Register":
                return done(jobs.register(subject, holder, fileOf(command.file, command.content))).pipe(
                  Effect.catchTag("FileConflict", () => Effect.succeed({ _tag: "Conflict" } as const))
                )
              case "Complete":
                return jobs
                  .complete(subject, holder, {
                    facts,
                    languages: {},
                    confirm: Effect.succeed,
                    publish: () =>
                      command.publicationFails ? Effect.fail("disk" as const) : Effect.succeed(presentation)
                  })
                  .pipe(
                    Effect.map((outcome) => ({ _tag: outcome === "completed" ? "Completed" : "Replayed" }) as const),
                    Effect.catchIf(
                      (error) => error === "disk",
                      () => Effect.succeed({ _tag: "PublicationFailed" } as const)
                    )
                  )
              case "Fail":
                return jobs
                  .fail(subject, holder, { error: "broken", retry: command.retry })
                  .pipe(Effect.map((outcome) => ({ _tag: "Failed", ...outcome }) as const))
              case "Release":
                return done(jobs.release(subject, holder))
            }
          }

          const operate = (command: Operating, model: Model) => {
            const wanted = jobAt(model, command.job)
            if (wanted === undefined) return Effect.succeed({ _tag: "Skipped" } as const)
            const job = JobId.make(wanted.id)
            const done = Effect.as({ _tag: "Done" } as const)
            switch (command._tag) {
              case "Cancel":
                return done(control.cancel(job))
              case "Retry":
                return done(control.retry(job))
              case "Prioritise":
                return done(control.prioritise(job, command.priority))
            }
          }

          const doIt = (
            command: Single,
            model: Model
          ): Effect.Effect<Answer, JobRefused | LeaseRefused | StoreUnavailable> => {
            switch (command._tag) {
              case "Upload":
                return model.videos.length < mostVideos ? upload(command) : Effect.succeed({ _tag: "Skipped" } as const)
              case "Again": {
                const video = idleVideo(model, command.video)
                if (video === undefined) return Effect.succeed({ _tag: "Skipped" } as const)
                return Effect.gen(function* () {
                  const job = yield* enqueue(video.id, command.priority)
                  return { _tag: "Uploaded", video: video.id, job, tasks: yield* tasksOf(job) } as const
                })
              }
              case "Claim":
                return claim(command, model)
              case "Advance":
                return Effect.as(execute(`update test_clock set at = at + interval '${command.seconds} seconds'`), {
                  _tag: "Done"
                } as const)
              case "Sweep":
                return Effect.map(jobs.sweep, (report) => ({ _tag: "Swept", ...report }) as const)
              case "Cancel":
              case "Retry":
              case "Prioritise":
                return operate(command, model)
              default:
                return write(command, model)
            }
          }

          return doIt
        }

        const replica = Layer.build(Layer.fresh(PostgresJobControl.layer.pipe(Layer.provideMerge(store)))).pipe(
          Effect.map((context) => through(Context.get(context, JobStore), Context.get(context, JobControl)))
        )
        const replicas = yield* Effect.all([replica, replica])

        return Queue.of({
          reset: execute(`
          delete from video;
          update test_clock set at = timestamptz '2026-01-01';
          update sweeper set last_run = test_now()`),
          run: (command, model, replica) =>
            Effect.catchTag(replicas[replica](command, model), ["JobRefused", "LeaseRefused"], () =>
              Effect.succeed({ _tag: "Refused" } as const)
            ).pipe(Effect.orDie),
          dump: Effect.orDie(
            Effect.map(
              db.rows(Dump, (sql) => sql(dumpStatement)),
              ([row]) => row!
            )
          )
        })
      })
    )
}
