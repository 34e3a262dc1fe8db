import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, FileSystem, Layer, Path } from "effect"
import { Db } from "../../../src/adapters/postgres/Db.ts"
import { migrate, MigrationError, status } from "../../../src/adapters/postgres/Migrator.ts"
import { TestDatabase } from "../../support/postgres.ts"

const first = "create table one (id integer primary key);\ninsert into one values (1);"
const second = "alter table one add column note text;"

/** A folder with these migrations. */
const folderWith = Effect.fnUntraced(function* (files: Readonly<Record<string, string>>) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "vlog-migrations-" })
  yield* Effect.forEach(Object.entries(files), ([name, text]) => fs.writeFileString(path.join(folder, name), text))
  return folder
})

const names = Effect.flatMap(Db, (db) =>
  db.query<{ name: string }>((sql) => sql`select name from schema_migration order by id`)
).pipe(Effect.map((rows) => rows.map(({ name }) => name)))

/** As a replica of its own: another pool. */
const replica = Effect.map(TestDatabase, ({ url }) => Layer.fresh(Db.layer({ url, applicationName: "test", max: 2 })))

const inEmptyDatabase = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const db = yield* replica
    return yield* Effect.provide(effect, db)
  }).pipe(Effect.scoped, Effect.provide(Layer.merge(TestDatabase.layerEmpty, NodeServices.layer)))

describe("Migrator", () => {
  it.live("applies what is missing, in order, and nothing twice", () =>
    Effect.gen(function* () {
      const db = yield* Db
      const before = yield* folderWith({ "0001_one.sql": first, "notes.txt": "not a migration" })
      assert.deepStrictEqual(yield* status(before), [{ name: "0001_one", appliedAt: null }])
      assert.deepStrictEqual(yield* migrate(before), ["0001_one"])
      const after = yield* folderWith({ "0002_note.sql": second, "0001_one.sql": first.replaceAll("\n", "\r\n") })
      assert.deepStrictEqual(
        (yield* status(after)).map(({ name, appliedAt }) => [name, appliedAt instanceof Date]),
        [
          ["0001_one", true],
          ["0002_note", false]
        ]
      )
      assert.deepStrictEqual(yield* migrate(after), ["0002_note"])
      assert.deepStrictEqual(yield* migrate(after), [])
      assert.deepStrictEqual([...(yield* db.query((sql) => sql`select id, note from one`))], [{ id: 1, note: null }])
    }).pipe(inEmptyDatabase)
  )

  it.live("lets several replicas migrate at once", () =>
    Effect.gen(function* () {
      const folder = yield* folderWith({
        "0001_one.sql": `select pg_sleep(0.1); ${first}`,
        "0002_note.sql": `select pg_sleep(0.1); ${second}`
      })
      const one = yield* replica
      const applied = yield* Effect.forEach([1, 2, 3], () => Effect.provide(migrate(folder), one), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(applied.flat().toSorted(), ["0001_one", "0002_note"])
      assert.deepStrictEqual(yield* names, ["0001_one", "0002_note"])
    }).pipe(inEmptyDatabase)
  )

  it.live("undoes a migration that fails, keeps those before it, and names it", () =>
    Effect.gen(function* () {
      const db = yield* Db
      const broken = `${second} alter table two add column note text;`
      const folder = yield* folderWith({ "0001_one.sql": first, "0002_note.sql": broken })
      const error = yield* Effect.flip(migrate(folder))
      assert.include(error.message, "migration 0002_note failed and was undone: ")
      assert.include(error.message, 'relation "two" does not exist')
      assert.deepStrictEqual(yield* names, ["0001_one"])
      assert.strictEqual((yield* db.query((sql) => sql`select * from one`))[0]?.["note"], undefined)
      const repaired = yield* folderWith({ "0001_one.sql": first, "0002_note.sql": second })
      assert.deepStrictEqual(yield* migrate(repaired), ["0002_note"])
    }).pipe(inEmptyDatabase)
  )

  it.live("refuses a newer schema, a changed file and one that comes too late", () =>
    Effect.gen(function* () {
      const all = { "0001_one.sql": first, "0003_note.sql": second }
      yield* migrate(yield* folderWith(all))
      const expectRefusal = Effect.fnUntraced(function* (files: Readonly<Record<string, string>>, reason: string) {
        const folder = yield* folderWith(files)
        for (const refused of [yield* Effect.flip(migrate(folder)), yield* Effect.flip(status(folder))]) {
          assert.instanceOf(refused, MigrationError)
          assert.strictEqual(refused.reason, reason)
        }
      })
      yield* expectRefusal({ "0001_one.sql": first }, "NewerSchema")
      yield* expectRefusal({}, "NewerSchema")
      yield* expectRefusal({ ...all, "0001_one.sql": `${first} ` }, "Changed")
      yield* expectRefusal({ ...all, "0002_late.sql": "create table late ();" }, "OutOfOrder")
      assert.deepStrictEqual(yield* names, ["0001_one", "0003_note"])
    }).pipe(inEmptyDatabase)
  )

  it.live("refuses files whose order is not clear", () =>
    Effect.gen(function* () {
      const misnamed = yield* Effect.flip(migrate(yield* folderWith({ "1_one.sql": first })))
      assert.include(misnamed.message, "1_one.sql is not named like")
      const twice = yield* Effect.flip(migrate(yield* folderWith({ "0001_one.sql": first, "0001_two.sql": second })))
      assert.include(twice.message, "0001_two.sql has the same number as 0001_one")
      const nowhere = yield* Effect.flip(migrate("/no/such/folder"))
      assert.include(nowhere.message, "/no/such/folder")
    }).pipe(inEmptyDatabase)
  )

  it.live("gives the test database every migration of this version", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* migrate(), [])
      assert.isAbove((yield* status()).length, 0)
    }).pipe(Effect.provide(Layer.merge(TestDatabase.layerDb, NodeServices.layer)))
  )
})
