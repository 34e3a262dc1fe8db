/** A database for one test file, with every migration, dropped at the end. */
import { randomBytes } from "node:crypto"
import { Context, Effect, Layer, Redacted } from "effect"
import { inject } from "vitest"
import { Db, type DbError } from "../../src/adapters/postgres/Db.ts"
import { databaseUrl, templateDatabase } from "./postgres-global.ts"

export class TestDatabase extends Context.Service<TestDatabase, { readonly url: Redacted.Redacted }>()(
  "vlog/test/support/postgres/TestDatabase"
) {
  static readonly layer: Layer.Layer<TestDatabase, DbError> = Layer.effect(
    TestDatabase,
    Effect.suspend(() => create(templateDatabase))
  )

  /** Without any table. */
  static readonly layerEmpty: Layer.Layer<TestDatabase, DbError> = Layer.effect(
    TestDatabase,
    Effect.suspend(() => create("template0"))
  )

  /** A database with every migration, and a pool of connections to it. */
  static readonly layerDb: Layer.Layer<TestDatabase | Db, DbError> = Layer.effect(
    Db,
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const context = yield* Layer.build(Db.layer({ url, applicationName: "vlog-test" }))
      return Context.get(context, Db)
    })
  ).pipe(Layer.provideMerge(TestDatabase.layer))
}

const create = Effect.fnUntraced(function* (template: string) {
  const server = Redacted.make(inject("databaseUrl"))
  const name = `test_${randomBytes(8).toString("hex")}`
  const asAdmin = <A, E>(effect: Effect.Effect<A, E, Db>) =>
    Effect.provide(effect, Db.layer({ url: server, applicationName: "vlog-test-admin", max: 1 }))
  yield* Effect.acquireRelease(
    asAdmin(
      Effect.flatMap(Db, (db) =>
        db.query((sql) => sql`create database ${sql(name)} template ${sql(template)} strategy file_copy`)
      )
    ),
    () =>
      asAdmin(
        Effect.flatMap(Db, (db) => db.query((sql) => sql`drop database if exists ${sql(name)} with (force)`))
      ).pipe(Effect.catchCause(Effect.logWarning))
  )
  return TestDatabase.of({ url: databaseUrl(server, name) })
})
