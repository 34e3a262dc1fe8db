import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Db } from "../../../src/adapters/postgres/Db.ts"
import { BackupDatabase } from "../../../src/domain/ports/BackupDatabase.ts"
import { chooseBackup } from "../../../src/domain/programs/Catalogue.ts"
import { restoreBackup, restoreDatabase, type RestoreOptions } from "../../../src/domain/programs/RestoreBackup.ts"
import { backUp, backupLayer } from "../../support/backup.ts"
import { databaseUrl } from "../../support/postgres-global.ts"
import { TestDatabase } from "../../support/postgres.ts"
import { vi } from "vitest"

// The programs of PostgreSQL are started some dozen times in each test.
vi.setConfig({ testTimeout: 60_000 })

const plain: RestoreOptions = {
  backup: "newest",
  into: null,
  tables: [],
  withRoles: true,
  swap: false,
  disconnect: false,
  dryRun: false
}

const restore = (options: Partial<RestoreOptions> = {}) =>
  Effect.gen(function* () {
    const databases = yield* BackupDatabase
    return yield* restoreBackup(yield* databases.session, { ...plain, ...options })
  }).pipe(Effect.scoped)

/** A statement in another database of the same server. */
const inOther = (name: string, statement: string) =>
  Effect.gen(function* () {
    const { url } = yield* TestDatabase
    const query = Effect.flatMap(Db, (db) => db.query<Record<string, unknown>>((sql) => sql.unsafe(statement)))
    return yield* query.pipe(
      Effect.provide(Db.layer({ url: databaseUrl(url, name), applicationName: "test-other", max: 1 }))
    )
  })

const dropAfter = (name: string) =>
  Effect.addFinalizer(() => Effect.orDie(inOther("postgres", `drop database if exists "${name}" with (force)`)))

const leased = `
  insert into worker (id, name, type, status) values ('00000000-0000-4000-8000-000000000001', 'w', 'remote', 'busy');
  insert into video (slug, title, source_file_name, source_extension, source_bytes, source_sha256)
  values ('a', 'A', 'a.mp4', '.mp4', 1, 'x');
  insert into job (video_id) values (1);
  insert into task (job_id, kind, state, attempt, lease_id, lease_seconds, lease_expires_at, worker_id)
  values (1, 'whole', 'leased', 2, '00000000-0000-4000-8000-0000000000aa', 90, now() + interval '1 hour',
          '00000000-0000-4000-8000-000000000001');
  insert into attempt (lease_id, task_id, attempt, worker_id, claimed_at)
  values ('00000000-0000-4000-8000-0000000000aa', 1, 2, '00000000-0000-4000-8000-000000000001', now())`

describe("a restore", () => {
  it.live("makes a new database, takes every task back, and exchanges it for the live one", () =>
    Effect.gen(function* () {
      const db = yield* Db
      const { url } = yield* TestDatabase
      const live = new URL(Redacted.value(url)).pathname.slice(1)
      yield* db.query((sql) => sql.unsafe(leased))
      yield* backUp({ level: 2 })
      yield* db.query((sql) => sql`update video set title = 'written after the backup'`)

      const inUse = yield* Effect.flip(restore({ swap: true }))
      assert.include(inUse.message, "is in use by test (")
      const report = yield* restore({ swap: true, disconnect: true })
      yield* dropAfter(report.kept!)
      assert.strictEqual(report.database, live)
      assert.strictEqual(report.revokedLeases, 1)
      const [task] = yield* inOther(live, "select state, attempt, lease_id, worker_id from task")
      assert.deepStrictEqual(task, { state: "queued", attempt: 1, lease_id: null, worker_id: null })
      const [attempt] = yield* inOther(live, "select outcome, ended_at is not null as ended from attempt")
      assert.deepStrictEqual(attempt, { outcome: "released", ended: true })
      assert.deepStrictEqual([...(yield* inOther(live, "select title from video"))], [{ title: "A" }])

      const shutOut = yield* Effect.flip(inOther(report.kept!, "select 1"))
      assert.include(shutOut.message, "not currently accepting connections")
    }).pipe(Effect.scoped, Effect.provide(backupLayer()))
  )

  it.live("never touches the live database, nor any other that exists", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const live = new URL(Redacted.value(url)).pathname.slice(1)
      const nothing = yield* Effect.flip(restore())
      assert.include(nothing.message, "There is no good backup")
      yield* backUp({ level: 2 })
      assert.include((yield* Effect.flip(restore({ into: live }))).message, "is the live database")
      assert.include((yield* Effect.flip(restore({ into: "postgres" }))).message, "exists already")
      assert.include((yield* Effect.flip(restore({ tables: ["nothing"] }))).message, "holds no table nothing")
      assert.include((yield* Effect.flip(restore({ tables: ["job"], swap: true }))).message, "leave out --swap")
      const long = yield* Effect.flip(restore({ into: "v".repeat(64) }))
      assert.include(long.message, "pass --into with 1 to 63 bytes")
      // Somebody took the name after it was found to be free.
      const chosen = yield* chooseBackup("newest")
      const taken = { server: "source", name: live } as const
      const late = yield* Effect.flip(restoreDatabase(chosen, taken, { tables: [], withRoles: true }))
      assert.include(late.message, "already exists")
      assert.isTrue(yield* (yield* BackupDatabase).exists(taken))
      const part = `${live}_part`
      yield* dropAfter(part)
      assert.strictEqual((yield* restore({ tables: ["task"], into: part })).revokedLeases, 0)
      const plan = yield* restore({ dryRun: true })
      assert.isAbove(plan.rows, 0)
      assert.match(plan.database, new RegExp(`^${live}_restored_`))
      const databases = yield* BackupDatabase
      assert.isFalse(yield* databases.exists({ server: "source", name: plan.database }))
    }).pipe(Effect.scoped, Effect.provide(backupLayer()))
  )

  it.live("brings single tables, and removes what did not turn out right", () =>
    Effect.gen(function* () {
      const db = yield* Db
      const databases = yield* BackupDatabase
      const { url } = yield* TestDatabase
      const into = `${new URL(Redacted.value(url)).pathname.slice(1)}_part`
      yield* dropAfter(into)
      yield* db.query((sql) =>
        sql.unsafe(
          `create schema "Other Schema"; create table "Other Schema"."T" as select 7 as n; create table u (n int)`
        )
      )
      yield* backUp({ level: 2 })
      const report = yield* restore({ tables: ["Other Schema.T"], into })
      assert.strictEqual(report.rows, 1)
      assert.deepStrictEqual([...(yield* inOther(into, `select n from "Other Schema"."T"`))], [{ n: 7 }])
      assert.strictEqual((yield* inOther(into, "select from pg_class where relname = 'u'")).length, 0)
      yield* databases.drop({ server: "source", name: into })

      // A role that is gone stops the restore in its middle.
      yield* db.query((sql) => sql.unsafe(`create role ${into}_owner; alter table u owner to ${into}_owner`))
      yield* backUp({ level: 2 })
      yield* db.query((sql) => sql.unsafe(`drop table u; drop role ${into}_owner`))
      const error = yield* Effect.flip(restore({ into }))
      assert.include(error.message, "does not exist")
      assert.isFalse(yield* databases.exists({ server: "source", name: into }))
      assert.strictEqual((yield* restore({ into, withRoles: false })).rows, 1)
    }).pipe(Effect.scoped, Effect.provide(backupLayer({ database: TestDatabase.layerEmpty })))
  )
})
