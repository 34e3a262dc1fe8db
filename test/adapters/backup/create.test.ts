import { readdirSync, readFileSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Db } from "../../../src/adapters/postgres/Db.ts"
import { BackupDatabase } from "../../../src/domain/ports/BackupDatabase.ts"
import { BackupStore } from "../../../src/domain/ports/BackupStore.ts"
import { backUp, BackupFolder, backupLayer, ownScratchDatabases } from "../../support/backup.ts"
import { TestDatabase } from "../../support/postgres.ts"
import { vi } from "vitest"

// The programs of PostgreSQL are started some dozen times in each test.
vi.setConfig({ testTimeout: 60_000 })

/** What people and programs put into a database. */
const unusual = `
  create extension pgcrypto;
  create table "Odd ""Name"", with \\ and '" ("select" integer primary key, t text, "line
break" text);
  insert into "Odd ""Name"", with \\ and '" values (1, 'a', null), (2, e'tab\\tquote''', 'ü');
  create table without_key (word text, number double precision, bytes bytea, at timestamptz);
  insert into without_key select 'same', 0.1 + 0.2, '\\x00ff', '2026-03-29 01:30Z' from generate_series(1, 50);
  create table without_column ();
  insert into without_column default values;
  create table t (t text);
  insert into t values ('t');
  create schema "Other Schema";
  create table "Other Schema".t (t text, twice text generated always as (t || t) stored);
  insert into "Other Schema".t values ('x');
  create table parted (day date, value integer) partition by range (day);
  create table parted_2026 partition of parted for values from ('2026-01-01') to ('2027-01-01');
  insert into parted values ('2026-11-23', 5);
  create materialized view stale as select count(*) from t;
  insert into t values ('after the view');
  create unlogged table scratch_pad (n integer);
  insert into scratch_pad values (1);
  create function touch() returns trigger language plpgsql as 'begin return new; end';
  create trigger touch before update on t for each row execute function touch();
  create sequence counter start 7;
  select nextval('counter');
  select lo_from_bytea(0, 'first object'), lo_from_bytea(0, '\\x00'), lo_create(0);`

const filesOf = (path: string) => readdirSync(path).toSorted()

const inDatabase = (options?: Parameters<typeof backupLayer>[0]) => Effect.provide(backupLayer(options))

describe("a backup", () => {
  it.live("of odd names, no keys, large objects and extensions passes every level", () =>
    Effect.gen(function* () {
      const db = yield* Db
      const { path } = yield* BackupFolder
      yield* db.query((sql) => sql.unsafe(unusual))
      const manifest = yield* backUp()
      assert.strictEqual(manifest.level, 6)
      assert.deepStrictEqual(filesOf(path), [manifest.name, `${manifest.name}.json`])
      assert.match(manifest.name, /^vlog-\d{4}-\d\d-\d\d-\d{6}\.dump$/)
      const rows = new Map(manifest.fingerprint.tables.map((table) => [`${table.schema}.${table.name}`, table.rows]))
      assert.strictEqual(rows.get(`public.Odd "Name", with \\ and '`), 2)
      assert.strictEqual(rows.get("public.without_key"), 50)
      assert.strictEqual(rows.get("public.without_column"), 1)
      assert.strictEqual(rows.get("public.parted_2026"), 1)
      assert.isFalse(rows.has("public.parted"))
      assert.strictEqual(manifest.fingerprint.largeObjects.count, 3)
      assert.strictEqual(manifest.fingerprint.objects["functions"], 1)
      assert.strictEqual(yield* ownScratchDatabases, 0)
      const readBack = JSON.parse(readFileSync(join(path, `${manifest.name}.json`), "utf8"))
      assert.strictEqual(readBack.sha256, manifest.sha256)
    }).pipe(inDatabase({ database: TestDatabase.layerEmpty }))
  )

  it.live("of an empty database passes every level, and two in one second are two", () =>
    Effect.gen(function* () {
      const store = yield* BackupStore
      const first = yield* backUp({ level: 3 })
      const second = yield* backUp({ wrapping: "zstd", compression: 1 })
      assert.strictEqual(first.level, 3)
      assert.strictEqual(second.level, 6)
      assert.deepStrictEqual(
        (yield* store.list).map(({ _tag, name }) => [_tag, name]),
        [second, first].map(({ name }) => ["Backup", name])
      )
    }).pipe(inDatabase({ database: TestDatabase.layerEmpty }))
  )

  it.live("holds one moment, however much is written meanwhile", () =>
    Effect.gen(function* () {
      const db = yield* Db
      yield* db.query((sql) => sql.unsafe("create table ticks (n bigint generated always as identity, text text)"))
      const write = db.query(
        (sql) => sql`
          with gone as (delete from ticks where n in (select n from ticks order by random() limit 3))
          insert into ticks (text) select md5(random()::text) from generate_series(1, 5)`
      )
      yield* Effect.forkScoped(Effect.forever(write))
      yield* Effect.forkScoped(Effect.forever(write))
      for (const wrapping of ["none", "zstd"] as const) {
        assert.strictEqual((yield* backUp({ wrapping, level: 5 })).level, 5)
      }
    }).pipe(Effect.scoped, inDatabase({ database: TestDatabase.layerEmpty }))
  )

  it.live("is made by one run at a time", () =>
    Effect.gen(function* () {
      const databases = yield* BackupDatabase
      const { path } = yield* BackupFolder
      yield* databases.session
      const error = yield* Effect.flip(backUp())
      assert.strictEqual(error._tag, "BackupBusy")
      assert.deepStrictEqual(filesOf(path), [])
    }).pipe(Effect.scoped, inDatabase())
  )

  it.live("removes what a killed run has left, and no file of others", () =>
    Effect.gen(function* () {
      const db = yield* Db
      const databases = yield* BackupDatabase
      const { path } = yield* BackupFolder
      const { key } = yield* Effect.scoped(Effect.map(databases.session, ({ facts }) => facts))
      const abandon = (owner: string) => Effect.promise(() => writeFile(join(path, `.${owner}.random.partial`), "half"))
      yield* abandon(key)
      yield* abandon("somebody")
      yield* db.query((sql) => sql`create database ${sql(`vlog_verify_${key}_left`)}`)
      const { name } = yield* backUp({ level: 4 })
      assert.deepStrictEqual(filesOf(path), [".somebody.random.partial", name, `${name}.json`])
      const left = yield* db.query((sql) => sql`select from pg_database where datname like ${`vlog_verify_${key}%`}`)
      assert.strictEqual(left.count, 0)
    }).pipe(inDatabase())
  )

  it.live("ends when the server disconnects it, and leaves nothing", () =>
    Effect.gen(function* () {
      const db = yield* Db
      const { path } = yield* BackupFolder
      yield* db.query((sql) =>
        sql.unsafe("create table big as select n, md5(n::text) from generate_series(1, 300000) n")
      )
      const running = yield* Effect.forkChild(Effect.flip(backUp()))
      const dumping = db.query(
        (sql) => sql`select from pg_stat_activity where query like 'COPY public.big%' and datname = current_database()`
      )
      yield* dumping.pipe(Effect.repeat({ until: ({ count }) => count > 0 }), Effect.timeout("10 seconds"))
      yield* db.query(
        (sql) => sql`
          select pg_terminate_backend(pid) from pg_stat_activity
           where datname = current_database() and pid <> pg_backend_pid() and application_name <> 'test'`
      )
      const error = yield* Fiber.join(running)
      assert.strictEqual(error._tag, "DatabaseProblem")
      assert.include(error.message, "terminat")
      assert.deepStrictEqual(filesOf(path), [])
    }).pipe(inDatabase({ database: TestDatabase.layerEmpty }))
  )
})

describe("a backup is refused, with what to do", () => {
  const refusal = (change: Readonly<Record<string, string>>) =>
    Effect.gen(function* () {
      const { path } = yield* BackupFolder
      const error = yield* Effect.flip(backUp())
      assert.deepStrictEqual(filesOf(path), [])
      return error.message
    }).pipe(inDatabase({ change }))

  it.live("for a wrong password", () =>
    Effect.gen(function* () {
      const message = yield* refusal({ PGPASSWORD: "wrong-secret" })
      assert.include(message, "password authentication failed")
      assert.include(message, "check PGUSER, PGPASSWORD")
      assert.notInclude(message, "wrong-secret")
    })
  )

  it.live("for a server that is not there", () =>
    Effect.gen(function* () {
      assert.include(yield* refusal({ PGPORT: "1" }), "check PGHOST, PGPORT")
    })
  )

  it.live("for a database that is not there", () =>
    Effect.gen(function* () {
      assert.include(yield* refusal({ PGDATABASE: "nothing" }), "check PGDATABASE")
    })
  )

  it.live("for a service that nobody described", () =>
    Effect.gen(function* () {
      assert.include(yield* refusal({ PGSERVICE: "nothing" }), `definition of service "nothing" not found`)
    })
  )
})
