/**
 * Claims per second, side by side with pg-boss and graphile-worker, on one PostgreSQL in one run. Each claimer is a
 * worker of its own and takes one job after the other; all are in one process, which has a connection for each, as a
 * replica of the API is for the workers that wait for it.
 *
 *     node bench/claims.ts                                                  a thousand and 100,000 jobs, 1 and 10 claimers
 *     node bench/claims.ts --rows 1000,100000,1000000 --claimers 1,10,50 --seconds 4    what the project promises
 *
 * `claim`: our claim, which also counts the attempt and notes it in the history, and pg-boss' fetch. graphile-worker
 * offers no claim by itself. `cycle`: the claim and the end of the job in one further statement: our fail for good, which
 * ends attempt, task and job; complete of pg-boss; a task that does nothing of graphile-worker. `published`: our claim and
 * complete with its publication, which neither of the others has.
 */
import { setTimeout as sleep } from "node:timers/promises"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Option, Redacted } from "effect"
import { Logger, run } from "graphile-worker"
import { PgBoss } from "pg-boss"
import { Db } from "../src/adapters/postgres/Db.ts"
import * as PostgresJobStore from "../src/adapters/postgres/JobStore.ts"
import * as PostgresWorkerRegistry from "../src/adapters/postgres/WorkerRegistry.ts"
import { migrate } from "../src/adapters/postgres/Migrator.ts"
import type { WorkerId } from "../src/domain/ids.ts"
import { type ClaimedTask, JobStore } from "../src/domain/ports/JobStore.ts"
import { WorkerRegistry } from "../src/domain/ports/WorkerRegistry.ts"
import { print } from "./support/figures.ts"
import { options } from "./support/options.ts"
import { bench, Place } from "./support/place.ts"

const {
  claimers: allClaimers,
  rows: allRows,
  seconds
} = options({ rows: [1000, 100_000], claimers: [1, 10], seconds: 2 })

/** One piece of work of the claimer of that number; false when there is none left. */
type Work = (claimer: number) => Promise<boolean>

/** Pieces per second of as many at once, until the time is over or nothing is left. */
const measure = async (claimers: number, work: Work) => {
  const began = performance.now()
  const until = began + seconds * 1000
  let done = 0
  const claimer = async (_: unknown, number: number) => {
    while (performance.now() < until && (await work(number))) done += 1
  }
  await Promise.all(Array.from({ length: claimers }, claimer))
  return (done * 1000) / (performance.now() - began)
}

interface Cell {
  readonly claim: number | null
  readonly cycle: number
  readonly published: number | null
}

const execute = (text: string) => Effect.flatMap(Db, (db) => db.query((sql) => sql.unsafe(text)))

const countOf = Effect.fnUntraced(function* (table: string, condition: string) {
  const db = yield* Db
  const [row] = yield* db.query<{ n: number }>((sql) =>
    sql.unsafe(`select count(*)::int as n from ${table} where ${condition}`)
  )
  return row!.n
})

/** As many queued jobs as asked, whatever was there. */
const fillOurs = Effect.fnUntraced(function* (rows: number) {
  const missing = rows - (yield* countOf("task", "state = 'queued'"))
  if (missing <= 0) return
  yield* execute(`
    alter table task disable trigger user;
    with videos as (
      insert into video (slug, title, source_file_name, source_extension, source_bytes, source_sha256)
      select gen_random_uuid()::text, 'Film', 'film.mp4', '.mp4', 1000, repeat('0', 64) from generate_series(1, ${missing})
      returning id
    ), jobs as (
      insert into job (video_id) select id from videos returning id
    )
    insert into task (job_id, kind) select id, 'whole' from jobs;
    alter table task enable trigger user`)
  yield* execute("vacuum analyze task, job, video, attempt")
})

const ours = Effect.fnUntraced(function* (url: Redacted.Redacted, rows: number, claimers: number) {
  const context = yield* Layer.build(
    Layer.mergeAll(PostgresJobStore.layer, PostgresWorkerRegistry.layer).pipe(
      Layer.provide(Db.layer({ url, applicationName: "bench", max: claimers }))
    )
  )
  return yield* Effect.gen(function* () {
    const jobs = yield* JobStore
    const registry = yield* WorkerRegistry
    const register = registry.register({ name: Option.none(), type: "remote", capabilities: null, metadata: null })
    const workers = yield* Effect.replicateEffect(
      Effect.map(register, ({ id }) => id),
      claimers
    )
    const run = Effect.runPromiseWith(yield* Effect.context())
    const rate = (end: (task: ClaimedTask, worker: WorkerId) => Effect.Effect<unknown, unknown>) =>
      Effect.andThen(
        fillOurs(rows),
        Effect.promise(() =>
          measure(claimers, (claimer) => {
            const worker = workers[claimer]!
            return jobs
              .claim({ worker, leaseSeconds: 600, job: Option.none(), gpuWaitSeconds: 120 })
              .pipe(
                Effect.tap(Option.match({ onNone: () => Effect.void, onSome: (task) => end(task, worker) })),
                Effect.map(Option.isSome),
                run
              )
          })
        )
      )
    return {
      claim: yield* rate(() => Effect.void),
      cycle: yield* rate((task, worker) =>
        jobs.fail({ job: task.jobId }, { worker, lease: task.leaseId }, { error: "the bench's", retry: false })
      ),
      published: yield* rate((task, worker) =>
        jobs.complete(
          { job: task.jobId },
          { worker, lease: task.leaseId },
          {
            facts: { duration: 4, width: 640, height: 360 },
            languages: {},
            confirm: Effect.succeed,
            publish: () => Effect.succeed({ renditions: [] } as never)
          }
        )
      )
    } satisfies Cell
  }).pipe(Effect.provide(context))
}, Effect.scoped)

const pgBoss = Effect.fnUntraced(function* (url: Redacted.Redacted, rows: number, claimers: number) {
  const boss = yield* Effect.acquireRelease(
    Effect.promise(() =>
      new PgBoss({ connectionString: Redacted.value(url), max: claimers, supervise: false, schedule: false }).start()
    ),
    (boss) => Effect.promise(() => boss.stop({ graceful: false }))
  )
  yield* Effect.promise(() => boss.createQueue("bench"))
  const fill = Effect.gen(function* () {
    const missing = rows - (yield* countOf("pgboss.job", "state < 'active'"))
    if (missing > 0) yield* execute(`insert into pgboss.job (name) select 'bench' from generate_series(1, ${missing})`)
    yield* execute("vacuum analyze pgboss.job")
  })
  const fetched = async () => (await boss.fetch("bench"))[0]
  yield* fill
  const claim = yield* Effect.promise(() => measure(claimers, async () => (await fetched()) !== undefined))
  yield* fill
  const cycle = yield* Effect.promise(() =>
    measure(claimers, async () => {
      const job = await fetched()
      if (job !== undefined) await boss.complete("bench", job.id)
      return job !== undefined
    })
  )
  return { claim, cycle, published: null } satisfies Cell
}, Effect.scoped)

const silent = new Logger(() => () => {})

const graphile = Effect.fnUntraced(function* (url: Redacted.Redacted, rows: number, claimers: number) {
  const connectionString = Redacted.value(url)
  const options = { connectionString, logger: silent, noHandleSignals: true, pollInterval: 50 }
  // Makes the schema, and the task known.
  const first = yield* Effect.promise(() => run({ ...options, taskList: { other: () => {} } }))
  yield* Effect.promise(() => first.addJob("bench", {}))
  yield* Effect.promise(() => first.stop())
  const missing = rows - (yield* countOf("graphile_worker._private_jobs", "locked_at is null"))
  if (missing > 0) {
    yield* execute(`
      insert into graphile_worker._private_jobs (task_id, payload)
      select t.id, '{}' from graphile_worker._private_tasks t, generate_series(1, ${missing}) where t.identifier = 'bench'`)
  }
  yield* execute("vacuum analyze graphile_worker._private_jobs")
  return yield* Effect.promise(async () => {
    let done = 0
    const drained = Promise.withResolvers<void>()
    const began = performance.now()
    const runner = await run({
      ...options,
      concurrency: claimers,
      maxPoolSize: claimers + 1,
      taskList: {
        bench: () => {
          done += 1
          if (done === rows) drained.resolve()
        }
      }
    })
    const over = setTimeout(drained.resolve, seconds * 1000)
    await drained.promise
    clearTimeout(over)
    const cycle = (done * 1000) / (performance.now() - began)
    await runner.stop()
    // It does not say when its connections are closed, and takes it ill when the server ends before.
    await sleep(1000)
    return { claim: null, cycle, published: null } satisfies Cell
  })
})

const rate = (value: number | null) => (value === null ? "-" : value.toFixed(0))
const ratio = (one: number | null, other: number | null) =>
  one === null || other === null ? "-" : `${(one / other).toFixed(2)} x`

const program = Effect.gen(function* () {
  const { environment } = yield* Place
  const { PGDATABASE, PGHOST, PGPASSWORD, PGPORT, PGUSER } = environment
  const url = Redacted.make(`postgres://${PGUSER}:${encodeURIComponent(PGPASSWORD!)}@${PGHOST}:${PGPORT}/${PGDATABASE}`)
  yield* migrate()
  const table: Array<ReadonlyArray<string | number>> = []
  for (const rows of allRows) {
    for (const claimers of allClaimers) {
      const mine = yield* ours(url, rows, claimers)
      const boss = yield* pgBoss(url, rows, claimers)
      const worker = yield* graphile(url, rows, claimers)
      table.push([
        rows,
        claimers,
        rate(mine.claim),
        rate(boss.claim),
        ratio(mine.claim, boss.claim),
        rate(mine.cycle),
        rate(boss.cycle),
        ratio(mine.cycle, boss.cycle),
        rate(worker.cycle),
        ratio(mine.cycle, worker.cycle),
        rate(mine.published)
      ])
    }
  }
  print([
    [
      "jobs",
      "claimers",
      "claim/s",
      "pg-boss",
      "ratio",
      "cycle/s",
      "pg-boss",
      "ratio",
      "graphile",
      "ratio",
      "published/s"
    ],
    ...table
  ])
})

NodeRuntime.runMain(program.pipe(Effect.provide(bench)))
