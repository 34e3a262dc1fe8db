import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, References } from "effect"
import { execa } from "execa"
import { vi } from "vitest"
import { Db } from "../../src/adapters/postgres/Db.ts"
import * as PostgresFarmFigures from "../../src/adapters/postgres/FarmFigures.ts"
import * as PostgresJobStore from "../../src/adapters/postgres/JobStore.ts"
import * as PostgresJobUpkeep from "../../src/adapters/postgres/JobUpkeep.ts"
import * as PostgresVideoStore from "../../src/adapters/postgres/VideoStore.ts"
import * as PostgresUploadUpkeep from "../../src/adapters/postgres/UploadUpkeep.ts"
import * as DiskMediaUpkeep from "../../src/adapters/storage/MediaUpkeep.ts"
import { FarmFigures } from "../../src/domain/ports/FarmFigures.ts"
import { JobUpkeep } from "../../src/domain/ports/JobUpkeep.ts"
import { cleanup, type CleanupOptions } from "../../src/domain/programs/Cleanup.ts"
import { TestDatabase } from "../support/postgres.ts"
import { compileCache } from "../support/programs.ts"

vi.setConfig({ testTimeout: 60_000 })

const program = fileURLToPath(new URL("../../src/programs/cleanup.ts", import.meta.url))

const options: CleanupOptions = { dryRun: false, silentMinutes: 5, fileHours: 24, historyDays: 90 }

const lease = (n: number) => `00000000-0000-4000-8000-0000000000${String(n).padStart(2, "0")}`

const storage = Effect.acquireRelease(
  Effect.promise(async () => {
    const root = await mkdtemp(join(tmpdir(), "vlog-cleanup-"))
    await Promise.all(["tmp", "attempts", "published"].map((folder) => mkdir(join(root, folder))))
    return root
  }),
  (root) => Effect.promise(() => rm(root, { recursive: true, force: true }))
)

const longAgo = new Date(Date.now() - 48 * 3_600_000)

const oldFile = (...path: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const file = join(...path)
    await mkdir(join(file, ".."), { recursive: true })
    await writeFile(file, "x")
    await utimes(file, longAgo, longAgo)
    await utimes(join(file, ".."), longAgo, longAgo)
  })

/** The folders of a storage that hold anything. */
const filesBelow = (root: string) =>
  Effect.promise(async () => {
    const found = await readdir(root, { recursive: true, withFileTypes: true })
    const files = found.filter((entry) => entry.isFile()).map((entry) => entry.parentPath.slice(root.length + 1))
    return [...new Set(files.map((path) => path.split("/")[0]))].toSorted()
  })

const execute = (statements: string) => Effect.flatMap(Db, (db) => db.query((sql) => sql.unsafe(statements)))

/** Two lost tasks (the second at its last attempt), one that is worked on, and a worker that went away. */
const farm = `
  update sweeper set last_run = now();
  insert into worker (id, name, type, status, last_heartbeat) values
    ('${lease(90)}', 'silent', 'remote', 'busy', now() - interval '1 hour'),
    ('${lease(91)}', 'busy',   'remote', 'busy', now() - interval '1 hour'),
    ('${lease(92)}', 'alive',  'remote', 'idle', now());
  insert into video (slug, title, source_file_name, source_extension, source_bytes, source_sha256)
  select 'v' || n, 'V', 'v.mp4', '.mp4', 1, 'x' from generate_series(1, 3) n;
  insert into job (video_id) select id from video;
  insert into task (job_id, kind, state, attempt, lease_id, lease_seconds, lease_expires_at, worker_id) values
    (1, 'whole', 'leased', 1, '${lease(1)}', 90, now() - interval '1 minute', '${lease(90)}'),
    (2, 'whole', 'leased', 5, '${lease(2)}', 90, now() - interval '1 minute', '${lease(90)}'),
    (3, 'whole', 'leased', 1, '${lease(3)}', 90, now() + interval '1 minute', '${lease(91)}');
  insert into attempt (lease_id, task_id, attempt, worker_id, claimed_at)
  select lease_id, id, attempt, worker_id, now() - interval '5 minutes' from task;
  insert into attempt (lease_id, task_id, attempt, claimed_at, ended_at, outcome) values
    ('${lease(4)}', 2, 1, now() - interval '101 days', now() - interval '100 days', 'failed'),
    ('${lease(5)}', 2, 2, now() - interval '99 days',  now() - interval '10 days',  'failed')`

const withFarm = <A, E, R>(effect: (root: string) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const root = yield* storage
    const upkeep = Layer.mergeAll(
      PostgresVideoStore.layer.pipe(Layer.provideMerge(PostgresJobStore.layer)),
      PostgresJobUpkeep.layer,
      PostgresFarmFigures.layer,
      PostgresUploadUpkeep.layer,
      DiskMediaUpkeep.layer({ root }),
      Layer.succeed(References.MinimumLogLevel)("None")
    )
    return yield* effect(root).pipe(Effect.provide(upkeep))
  }).pipe(Effect.scoped, Effect.provide(TestDatabase.layerDb))

describe("the cleanup", () => {
  it.live("forgets uploads that expired, with their bytes, and bytes that belong to none", () =>
    withFarm((root) =>
      Effect.gen(function* () {
        yield* execute(`
          insert into upload (id, bytes, metadata, arriving, expires_at, writer, writer_until) values
            ('${lease(1)}', 9, '', '${lease(11)}', now() - interval '1 minute', null, null),
            ('${lease(2)}', 9, '', '${lease(12)}', now() + interval '1 minute', null, null),
            ('${lease(3)}', 9, '', '${lease(13)}', now() - interval '1 minute', '${lease(23)}', now() + interval '1 minute')`)
        for (const n of [11, 12, 13, 14, 23]) yield* oldFile(root, "arriving", lease(n))
        yield* Effect.promise(() => writeFile(join(root, "arriving", lease(15)), "x"))
        const there = Effect.promise(() => readdir(join(root, "arriving")))

        const plan = yield* cleanup({ ...options, dryRun: true })
        assert.deepStrictEqual(plan.uploads, [lease(1)])
        assert.lengthOf(yield* there, 6)
        const done = yield* cleanup(options)
        assert.deepStrictEqual(done.uploads, [lease(1)])
        assert.deepStrictEqual((yield* there).toSorted(), [12, 13, 15, 23].map(lease))
        assert.lengthOf(yield* execute("select from upload"), 2)
        assert.deepStrictEqual((yield* cleanup(options)).uploads, [])
      })
    )
  )

  it.live("takes back what is lost, removes what nobody reaches, and says the same beforehand", () =>
    withFarm((root) =>
      Effect.gen(function* () {
        yield* execute(farm)
        for (const n of [1, 2, 3, 7]) yield* oldFile(root, "attempts", lease(n), "part")
        yield* Effect.promise(() => mkdir(join(root, "attempts", lease(8))))
        yield* oldFile(root, "tmp", "abandoned")
        yield* Effect.promise(() => writeFile(join(root, "tmp", "arriving"), "x"))

        const plan = yield* cleanup({ ...options, dryRun: true })
        assert.deepInclude(plan, {
          expired: 2,
          requeued: 0,
          failed: 0,
          offline: ["silent"],
          forgotten: 1,
          breaches: []
        })
        assert.deepStrictEqual(plan.attempts, [lease(7)])
        assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(root, "tmp"))), ["abandoned", "arriving"])

        const done = yield* cleanup(options)
        assert.deepInclude(done, {
          requeued: 1,
          failed: 1,
          extended: false,
          offline: ["silent"],
          forgotten: 1,
          breaches: []
        })
        assert.deepStrictEqual([...done.attempts].toSorted(), [lease(1), lease(2), lease(7)])
        assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(root, "tmp"))), ["arriving"])
        assert.deepStrictEqual((yield* Effect.promise(() => readdir(join(root, "attempts")))).toSorted(), [
          lease(3),
          lease(8)
        ])
        const figures = yield* FarmFigures
        assert.deepInclude(yield* figures.read, { active: 1, expired: 0, lost: 2 })
        const again = yield* cleanup(options)
        assert.deepInclude(again, { requeued: 0, failed: 0, offline: [], attempts: [], temporaries: [], forgotten: 0 })
      })
    )
  )

  it.live("leaves what a later attempt may go on with, and its memory, until the job is over", () =>
    withFarm((root) =>
      Effect.gen(function* () {
        yield* execute(`${farm};
          insert into video (id, slug, title, source_file_name, source_extension, source_bytes, source_sha256)
          overriding system value values (50, 'begun', 'V', 'v.mp4', '.mp4', 1, 'x');
          insert into job (id, video_id) overriding system value values (50, 50);
          insert into task (id, job_id, kind, state, attempt) overriding system value values (50, 50, 'whole', 'queued', 1);
          insert into attempt (lease_id, task_id, attempt, claimed_at, ended_at, outcome, fingerprint)
          values ('${lease(50)}', 50, 1, now() - interval '200 days', now() - interval '199 days', 'expired', 'same'),
                 ('${lease(51)}', 50, 1, now() - interval '200 days', now() - interval '199 days', 'expired', null)`)
        for (const n of [50, 51]) yield* oldFile(root, "attempts", lease(n), "part")
        const before = yield* cleanup(options)
        assert.deepStrictEqual(before.attempts, [lease(51)])
        const known = yield* execute("select lease_id from attempt where task_id = 50")
        assert.deepStrictEqual([...known], [{ lease_id: lease(50) }])
        yield* execute(`
          update task set state = 'cancelled' where id = 50;
          update job set state = 'cancelled', ended_at = now() where id = 50`)
        assert.deepStrictEqual((yield* cleanup(options)).attempts, [lease(50)])
      })
    )
  )

  it.live("removes the files of a deleted video that whoever deleted it left behind", () =>
    withFarm((root) =>
      Effect.gen(function* () {
        yield* execute(`${farm};
          insert into removed_video (id, slug, extension, publications, attempts)
          values (77, 'gone', '.mp4', '{${lease(71)}}', '{${lease(72)}}'),
                 (78, 'gone-long-ago', '.mp4', '{}', '{}');
          update removed_video set files_gone = true, removed_at = now() - interval '100 days' where id = 78`)
        const ours = [
          ["uploads", "77.mp4"],
          ["published", lease(71), "master.m3u8"],
          ["attempts", lease(72), "part"]
        ]
        for (const path of [...ours, ["uploads", "1.mp4"]]) yield* oldFile(root, ...path)
        const plan = yield* cleanup({ ...options, dryRun: true, fileHours: 100 })
        assert.deepStrictEqual(plan.videos, [77])
        assert.deepStrictEqual(yield* filesBelow(root), ["attempts", "published", "uploads"])
        const report = yield* cleanup({ ...options, fileHours: 100 })
        assert.deepStrictEqual(report.videos, [77])
        assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(root, "uploads"))), ["1.mp4"])
        assert.deepStrictEqual(yield* filesBelow(root), ["uploads"])
        assert.deepStrictEqual((yield* cleanup(options)).videos, [])
        const remembered = yield* execute("select id from removed_video")
        assert.deepStrictEqual([...remembered], [{ id: 77 }])
      })
    )
  )

  it.live("gives time before it takes away, after the API was down", () =>
    withFarm(() =>
      Effect.gen(function* () {
        yield* execute(`${farm}; update sweeper set last_run = now() - interval '1 hour'`)
        assert.deepInclude(yield* cleanup(options), { requeued: 0, failed: 0, extended: true })
      })
    )
  )

  it.live("takes each task back once, when two run beside each other", () =>
    withFarm(() =>
      Effect.gen(function* () {
        yield* execute(farm)
        yield* execute(`
          insert into video (slug, title, source_file_name, source_extension, source_bytes, source_sha256)
          select 'more' || n, 'V', 'v.mp4', '.mp4', 1, 'x' from generate_series(1, 60) n;
          insert into job (video_id) select id from video where slug like 'more%';
          insert into task (job_id, kind, state, attempt, lease_id, lease_seconds, lease_expires_at, worker_id)
          select j.id, 'whole', 'leased', 1, gen_random_uuid(), 90, now() - interval '1 minute', '${lease(90)}'
            from job j where j.id > 3;
          insert into attempt (lease_id, task_id, attempt, worker_id, claimed_at)
          select lease_id, id, attempt, worker_id, now() - interval '5 minutes' from task where job_id > 3`)
        const reports = yield* Effect.all([cleanup(options), cleanup(options), cleanup(options)], {
          concurrency: "unbounded"
        })
        assert.strictEqual(
          reports.reduce((sum, report) => sum + report.requeued, 0),
          61
        )
        assert.strictEqual(
          reports.reduce((sum, report) => sum + report.failed, 0),
          1
        )
        const upkeep = yield* JobUpkeep
        assert.deepStrictEqual(yield* upkeep.audit, [])
      })
    )
  )

  it.live("finds each rule that is broken, and changes nothing about it", () =>
    withFarm(() =>
      Effect.gen(function* () {
        const upkeep = yield* JobUpkeep
        yield* execute(farm)
        assert.deepStrictEqual(yield* upkeep.audit, [])
        yield* execute(`
          insert into video (slug, title, source_file_name, source_extension, source_bytes, source_sha256, published)
          values ('p', 'P', 'p.mp4', '.mp4', 1, 'x', '${lease(60)}');
          insert into job (video_id) values (4);
          alter table task drop constraint task_check3;
          insert into job (video_id, state, ended_at) values (4, 'failed', now());
          insert into task (job_id, kind, state, attempt, max_attempts) values (5, 'whole', 'queued', 6, 5);
          insert into task (job_id, kind, state, done_by) values (5, 'whole', 'done', '${lease(61)}');
          insert into job (video_id, state, ended_at, published) values (4, 'done', now(), '${lease(62)}');
          insert into job (video_id, state, ended_at) values (1, 'failed', now());
          update attempt set ended_at = now(), outcome = 'failed' where lease_id = '${lease(3)}';
          insert into attempt (lease_id, task_id, attempt, claimed_at) values ('${lease(63)}', 3, 1, now() - interval '1 minute')`)
        const { breaches } = yield* cleanup({ ...options, dryRun: true })
        assert.deepStrictEqual([...new Set(breaches.map(({ invariant }) => invariant))].toSorted(), [
          "I1",
          "I10",
          "I2",
          "I3",
          "I4",
          "I5",
          "I8",
          "I9"
        ])
        assert.include(breaches.find(({ invariant }) => invariant === "I1")?.problem, "job 4 is active")
      })
    )
  )

  it.live("is a command whose exit code and metrics say how it went", () =>
    withFarm((root) =>
      Effect.gen(function* () {
        const { url } = yield* TestDatabase
        yield* execute(farm)
        const metrics = join(root, "cleanup.prom")
        const run = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
          Effect.promise(() =>
            execa(process.execPath, [program, ...args], {
              env: {
                NODE_COMPILE_CACHE: compileCache,
                VLOG_DATABASE_URL: Redacted.value(url),
                VLOG_STORAGE_PATH: root,
                VLOG_CLEANUP_METRICS_FILE: metrics,
                ...env
              },
              reject: false
            })
          )
        const done = yield* run(["--json"])
        assert.strictEqual(done.exitCode, 0, done.stderr)
        assert.deepInclude(JSON.parse(done.stdout), { requeued: 1, failed: 1 })
        const text = yield* Effect.promise(() => readFile(metrics, "utf8"))
        assert.match(text, /^vlog_cleanup_things\{kind="requeued"\} 1$/m)
        assert.match(text, /^vlog_audit_breaches 0$/m)
        yield* execute(`update video set published = '${lease(60)}' where id = 1`)
        const broken = yield* run([])
        assert.strictEqual(broken.exitCode, 65)
        assert.include(broken.stderr, `I3: video 1 shows ${lease(60)}`)
        const nobody = yield* run([], { VLOG_DATABASE_URL: "postgres://a:b@127.0.0.1:1/c" })
        assert.strictEqual(nobody.exitCode, 69)
      })
    )
  )
})
