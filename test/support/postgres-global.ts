/** One PostgreSQL for the whole run, with a template database that has every migration. */
import { mkdtemp, rm, chmod } from "node:fs/promises"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Exit, Layer, Redacted, References, Scope } from "effect"
import type { TestProject } from "vitest/node"
import { Db } from "../../src/adapters/postgres/Db.ts"
import { EmbeddedPostgres } from "../../src/adapters/postgres/EmbeddedPostgres.ts"
import { migrate } from "../../src/adapters/postgres/Migrator.ts"
import { Subprocess } from "../../src/adapters/process/Subprocess.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** A superuser's, of a database that no test uses. */
    readonly databaseUrl: string
  }
}

export const templateDatabase = "vlog_template"

/** The projects of a run share it, each with an instance of this module. */
const shared = globalThis as { vlogTestServer?: Promise<{ readonly url: string; readonly scope: Scope.Closeable }> }

export async function setup(project: TestProject) {
  shared.vlogTestServer ??= start()
  project.provide("databaseUrl", (await shared.vlogTestServer).url)
}

export async function teardown() {
  const server = shared.vlogTestServer
  delete shared.vlogTestServer
  if (server !== undefined) await Effect.runPromise(Scope.close((await server).scope, Exit.void))
}

const start = () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    // Not below a TMPDIR that the user of the server cannot reach.
    const folder = yield* Effect.promise(() => mkdtemp("/tmp/vlog-test-postgres-"))
    yield* Scope.addFinalizer(
      scope,
      Effect.promise(() => rm(folder, { recursive: true, force: true }))
    )
    yield* Effect.promise(() => chmod(folder, 0o755))
    const context = yield* EmbeddedPostgres.layer({ dataFolder: join(folder, "data"), durable: false }).pipe(
      Layer.provideMerge(Layer.mergeAll(NodeServices.layer, Subprocess.layer)),
      Layer.buildWithScope(scope)
    )
    const { url } = yield* Effect.provide(EmbeddedPostgres, context)
    yield* makeTemplate.pipe(Effect.provide(Db.layer({ url, applicationName: "vlog-test", max: 1 })))
    yield* migrate().pipe(
      Effect.provide(Db.layer({ url: databaseUrl(url, templateDatabase), applicationName: "vlog-test", max: 1 })),
      Effect.provide(context)
    )
    return { url: Redacted.value(url), scope }
  }).pipe(Effect.provideService(References.MinimumLogLevel, "Warn"), Effect.runPromise)

const makeTemplate = Effect.flatMap(Db, (db) => db.query((sql) => sql`create database ${sql(templateDatabase)}`))

/** The same server, another database. */
export function databaseUrl(url: Redacted.Redacted, name: string): Redacted.Redacted {
  const other = new URL(Redacted.value(url))
  other.pathname = `/${name}`
  return Redacted.make(other.href)
}
