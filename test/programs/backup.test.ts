import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as age from "age-encryption"
import { Effect, Layer } from "effect"
import { execa, execaSync } from "execa"
import { vi } from "vitest"
import { Db } from "../../src/adapters/postgres/Db.ts"
import { startCollector } from "../support/collector.ts"
import { libpq, ownScratchDatabases } from "../support/backup.ts"
import { TestDatabase } from "../support/postgres.ts"
import { compileCache } from "../support/programs.ts"
import { s3Credentials, TestS3 } from "../support/s3.ts"

// Each test starts the whole program several times.
vi.setConfig({ testTimeout: 180_000 })

const program = fileURLToPath(new URL("../../src/programs/backup.ts", import.meta.url))

interface RunOptions {
  readonly path: string
  readonly env?: Readonly<Record<string, string>>
}

/** The command as a CronJob starts it. */
const start = Effect.fnUntraced(function* (args: ReadonlyArray<string>, options: RunOptions) {
  const { url } = yield* TestDatabase
  return execa(process.execPath, [program, ...args], {
    env: {
      NODE_COMPILE_CACHE: compileCache,
      ...libpq(url),
      BACKUP_PATH: options.path,
      BACKUP_VERIFY_LEVEL: "2",
      ...options.env
    },
    reject: false
  })
})

const run = (args: ReadonlyArray<string>, options: RunOptions) =>
  Effect.flatMap(start(args, options), (child) => Effect.promise(async () => await child))

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "vlog-backup-command-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const filesOf = (path: string) => Effect.promise(async () => (await readdir(path)).toSorted())

const until = <E, R>(found: Effect.Effect<boolean, E, R>) =>
  Effect.sleep("5 millis").pipe(
    Effect.andThen(found),
    Effect.repeat({ until: (yes) => yes }),
    Effect.timeout("15 seconds")
  )

const withRows = Effect.flatMap(Db, (db) =>
  db.query((sql) => sql.unsafe("create table big as select n, md5(n::text) from generate_series(1, 100000) n"))
)

const withDatabase = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    Effect.scoped,
    Effect.provide(
      Layer.effect(
        Db,
        Effect.flatMap(TestDatabase, ({ url }) =>
          Effect.map(Layer.build(Db.layer({ url, applicationName: "test" })), (context) => Effect.provide(Db, context))
        ).pipe(Effect.flatten)
      ).pipe(Layer.provideMerge(TestDatabase.layerEmpty))
    )
  )

describe("the backup command", () => {
  it.live("backs up by itself, shows what there is, and restores it on a server of its own", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const metrics = join(path, "metrics.prom")
      const made = yield* run(["--json"], { path, env: { BACKUP_METRICS_FILE: metrics, BACKUP_VERIFY_LEVEL: "6" } })
      assert.strictEqual(made.exitCode, 0, made.stderr)
      const { name, level } = JSON.parse(made.stdout)
      assert.strictEqual(level, 6)
      assert.deepStrictEqual(
        (yield* filesOf(path)).toSorted(),
        ["metrics.prom", "vlog-backup-status.json", name, `${name}.json`].toSorted()
      )
      const text = yield* Effect.promise(() => readFile(metrics, "utf8"))
      assert.match(text, /^vlog_backup_last_verified_level 6$/m)
      assert.match(text, /^vlog_backup_last_success_timestamp_seconds \d+/m)
      assert.match(text, /\n$/)
      const list = yield* run(["list"], { path })
      assert.match(list.stdout, new RegExp(`^${name} +6 of 6 +[\\d.]+ k?B +0 min +\\d+ s +folder +verified$`, "m"))
      const collector = yield* Effect.acquireRelease(Effect.promise(startCollector), ({ stop }) => Effect.promise(stop))
      const drill = yield* run(["drill", "--json"], {
        path,
        env: {
          PGPASSWORD: "not needed: the source is not asked",
          OTEL_EXPORTER_OTLP_ENDPOINT: collector.address,
          OTEL_METRICS_EXPORTER: "none"
        }
      })
      assert.strictEqual(drill.exitCode, 0, drill.stderr)
      const roots = collector.spans.filter(({ parent }) => parent === null).map(({ name }) => name)
      assert.deepStrictEqual(roots, ["backup drill"])
      const report = JSON.parse(drill.stdout)
      assert.strictEqual(report.name, name)
      assert.isAbove(report.rtoSeconds, 0)
      assert.isAtLeast(report.rpoSeconds, 0)
    }).pipe(withDatabase)
  )

  it.live("leaves no wrong file when it is killed, in any phase, and works the next time", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const db = yield* Db
      yield* withRows
      const scratch = db.query(
        (sql) => sql`select from pg_stat_activity where datname like 'vlog_verify_%' and query like '%COPY%big%'`
      )
      const phases = {
        dump: Effect.map(filesOf(path), (files) => files.some((file) => file.endsWith(".partial"))),
        verification: Effect.map(scratch, ({ count }) => count > 0)
      }
      for (const phase of Object.values(phases)) {
        const child = yield* start(["create"], { path, env: { BACKUP_VERIFY_LEVEL: "4" } })
        yield* until(phase)
        child.kill("SIGKILL")
        yield* Effect.promise(async () => await child)
        const files = yield* filesOf(path)
        assert.deepStrictEqual(
          files.filter((file) => file.startsWith("vlog-")),
          []
        )
      }
      // Its children are killed with it; the server notices when it writes to them.
      const locks = db.query(
        (sql) => sql`select from pg_locks where locktype = 'advisory' and classid = 7628103
        and database = (select oid from pg_database where datname = current_database())`
      )
      yield* until(Effect.map(locks, ({ count }) => count === 0))
      const made = yield* run(["create", "--json"], { path, env: { BACKUP_VERIFY_LEVEL: "4" } })
      assert.strictEqual(made.exitCode, 0, made.stderr)
      const { name } = JSON.parse(made.stdout)
      assert.deepStrictEqual(yield* filesOf(path), ["vlog-backup-status.json", name, `${name}.json`].toSorted())
      assert.strictEqual(yield* ownScratchDatabases, 0)
    }).pipe(withDatabase)
  )

  it.live("says by its exit code that another one runs, or that it was stopped", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const db = yield* Db
      const second = yield* db.transaction(
        Effect.andThen(
          db.query((sql) => sql`select pg_advisory_xact_lock(7628103, 2)`),
          run(["create"], { path })
        )
      )
      assert.strictEqual(second.exitCode, 75)
      assert.include(second.stderr, "Another backup command is running")
      yield* withRows
      const stopped = yield* start(["create"], { path })
      yield* until(Effect.map(filesOf(path), (files) => files.some((file) => file.endsWith(".partial"))))
      stopped.kill("SIGTERM")
      const { exitCode } = yield* Effect.promise(async () => await stopped)
      assert.strictEqual(exitCode, 143)
      assert.deepStrictEqual(yield* filesOf(path), [])
    }).pipe(withDatabase)
  )

  it.live("encrypts and copies where told to, and says when only the copy is missing", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const keys = yield* folder
      const { bucket, endpoint } = yield* TestS3
      const identity = yield* Effect.promise(() => age.generateX25519Identity())
      const recipient = yield* Effect.promise(() => age.identityToRecipient(identity))
      const key = join(keys, "key.txt")
      yield* Effect.promise(() => writeFile(key, `${identity}\n`))
      const metrics = join(keys, "metrics.prom")
      const env = {
        ...s3Credentials,
        BACKUP_AGE_RECIPIENTS: recipient,
        BACKUP_S3_BUCKET: bucket,
        BACKUP_S3_ENDPOINT: endpoint,
        BACKUP_METRICS_FILE: metrics
      }
      const away = yield* run(["create", "--json"], { path, env: { ...env, BACKUP_S3_BUCKET: "nothing" } })
      assert.strictEqual(away.exitCode, 74, away.stderr)
      assert.include(away.stderr, "check BACKUP_S3_BUCKET")
      const { copies, name: first } = JSON.parse(away.stdout)
      assert.include(copies.problem, "s3://nothing/")
      assert.match(
        yield* Effect.promise(() => readFile(metrics, "utf8")),
        /^vlog_backup_copy_last_success_timestamp_seconds 0$/m
      )

      const made = yield* run(["create", "--json"], { path, env })
      assert.strictEqual(made.exitCode, 0, made.stderr)
      const { name } = JSON.parse(made.stdout)
      assert.deepStrictEqual(JSON.parse(made.stdout).copies.copied, [name, first])
      assert.match(
        yield* Effect.promise(() => readFile(metrics, "utf8")),
        /^vlog_backup_copy_last_success_timestamp_seconds \d+/m
      )
      yield* Effect.promise(() => rm(join(path, name)))
      const list = yield* run(["list"], { path, env })
      assert.match(
        list.stdout,
        new RegExp(`^${name.replaceAll(".", "[.]")} +2 of 6 .* copy +only partly verified$`, "m")
      )
      assert.match(list.stdout, new RegExp(`^${first.replaceAll(".", "[.]")} .* folder, copy `, "m"))
      const opened = yield* run(["restore", "--list", "--json"], {
        path,
        env: { ...env, BACKUP_AGE_IDENTITY_FILE: key }
      })
      assert.strictEqual(opened.exitCode, 0, opened.stderr)
      assert.strictEqual(JSON.parse(opened.stdout).name, name)
    }).pipe(Effect.provide(TestS3.layer), withDatabase)
  )

  it.live("refuses a server that is newer than pg_dump", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const bin = yield* folder
      yield* Effect.promise(async () => {
        await writeFile(join(bin, "pg_dump"), "#!/bin/sh\necho 'pg_dump (PostgreSQL) 14.9'\n")
        await chmod(join(bin, "pg_dump"), 0o755)
      })
      const result = yield* run([], { path, env: { PATH: `${bin}:${process.env["PATH"]}` } })
      assert.strictEqual(result.exitCode, 78)
      assert.include(result.stderr, "pg_dump is of version 14 and the server of version 15")
      assert.deepStrictEqual(yield* filesOf(path), ["vlog-backup-status.json"])
    }).pipe(withDatabase)
  )

  it.live("says everything that is wrong with the settings, and where the folder should be", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const missing = yield* run(["list"], { path: join(path, "nowhere") })
      assert.strictEqual(missing.exitCode, 73)
      assert.include(missing.stderr, "BACKUP_PATH must be a folder that exists")
      const wrong = yield* run([], { path, env: { BACKUP_VERIFY_LEVEL: "9", BACKUP_COMPRESSION: "rar" } })
      assert.strictEqual(wrong.exitCode, 78)
      assert.include(wrong.stderr, "BACKUP_VERIFY_LEVEL")
      assert.include(wrong.stderr, "BACKUP_COMPRESSION")
    }).pipe(withDatabase)
  )

  const canMount = process.getuid?.() === 0 && process.platform === "linux"

  it.live.skipIf(!canMount)(
    "leaves earlier backups alone when the disk is full (needs root, to mount a small one)",
    () =>
      Effect.gen(function* () {
        const path = yield* folder
        const mounted = yield* Effect.acquireRelease(
          Effect.sync(
            () => !execaSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", path], { reject: false }).failed
          ),
          (mounted) => Effect.sync(() => mounted && execaSync("umount", ["-l", path]))
        )
        if (!mounted) return yield* Effect.logWarning("this root may not mount a disk: nothing was tested")
        const small = yield* run(["--json"], { path })
        assert.strictEqual(small.exitCode, 0, small.stderr)
        const { name } = JSON.parse(small.stdout)
        const before = yield* Effect.promise(() => readFile(join(path, name)))
        yield* withRows
        const full = yield* run([], { path })
        assert.strictEqual(full.exitCode, 73)
        assert.include(full.stderr, "is full: free some space")
        assert.deepStrictEqual(
          (yield* filesOf(path)).filter((file) => !file.includes("status")),
          [name, `${name}.json`]
        )
        assert.isTrue((yield* Effect.promise(() => readFile(join(path, name)))).equals(before))
      }).pipe(withDatabase)
  )
})
