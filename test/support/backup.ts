/** A database and a folder for its backups, with PostgreSQL's real programs. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Context, Effect, Layer, Redacted, References } from "effect"
import { facts } from "../../src/adapters/backup/DatabaseQueries.ts"
import * as AgeCipher from "../../src/adapters/backup/Age.ts"
import * as PsqlDatabase from "../../src/adapters/backup/Database.ts"
import * as S3Copies from "../../src/adapters/backup/S3.ts"
import { Servers } from "../../src/adapters/backup/Servers.ts"
import * as FolderStore from "../../src/adapters/backup/Store.ts"
import * as PostgresTool from "../../src/adapters/backup/Tool.ts"
import { Db } from "../../src/adapters/postgres/Db.ts"
import { Subprocess } from "../../src/adapters/process/Subprocess.ts"
import { BackupDatabase } from "../../src/domain/ports/BackupDatabase.ts"
import { createBackup, type CreateOptions } from "../../src/domain/programs/CreateBackup.ts"
import { TestDatabase } from "./postgres.ts"

/** As libpq's variables. */
export const libpq = (url: Redacted.Redacted): Record<string, string> => {
  const { hostname, password, pathname, port, username } = new URL(Redacted.value(url))
  return {
    PGHOST: hostname,
    PGPORT: port,
    PGDATABASE: pathname.slice(1),
    PGUSER: decodeURIComponent(username),
    PGPASSWORD: decodeURIComponent(password)
  }
}

export class BackupFolder extends Context.Service<BackupFolder, { readonly path: string }>()(
  "vlog/test/support/backup/BackupFolder"
) {
  static readonly layer = Layer.effect(
    BackupFolder,
    Effect.acquireRelease(
      Effect.promise(async () => ({ path: await mkdtemp(join(tmpdir(), "vlog-backups-")) })),
      ({ path }) => Effect.promise(() => rm(path, { recursive: true, force: true }))
    )
  )
}

/** Everything that a backup command needs; `change` overrules variables of the environment. */
export const backupLayer = (
  options: {
    readonly database?: typeof TestDatabase.layer
    readonly change?: Readonly<Record<string, string>>
    readonly age?: AgeCipher.AgeOptions
    readonly copies?: typeof S3Copies.layerNone
  } = {}
) => {
  const database = options.database ?? TestDatabase.layer
  const db = Layer.effect(
    Db,
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const context = yield* Layer.build(Db.layer({ url, applicationName: "test", statementTimeout: "1 minute" }))
      return Context.get(context, Db)
    })
  )
  const servers = Layer.unwrap(
    Effect.map(TestDatabase, ({ url }) => Servers.layerSame({ ...process.env, ...libpq(url), ...options.change }))
  )
  const store = Layer.unwrap(Effect.map(BackupFolder, ({ path }) => FolderStore.layer({ root: path })))
  return Layer.mergeAll(
    db,
    store,
    options.copies ?? S3Copies.layerNone,
    AgeCipher.layer(options.age ?? { recipients: [], identityFile: "" }),
    Layer.succeed(References.MinimumLogLevel)("None"),
    Layer.mergeAll(PsqlDatabase.layer, PostgresTool.layer).pipe(Layer.provide([servers, Subprocess.layer]))
  ).pipe(Layer.provideMerge(Layer.mergeAll(database, BackupFolder.layer, NodeServices.layer)))
}

const usual: CreateOptions = { wrapping: "none", compression: 6, level: 6 }

/** Takes the lock for as long as it runs. */
export const backUp = (options: Partial<CreateOptions> = {}) =>
  Effect.gen(function* () {
    const databases = yield* BackupDatabase
    const session = yield* databases.session
    return yield* createBackup(session, { ...usual, ...options })
  }).pipe(Effect.scoped)

/** Scratch databases of this database's backups alone: other test files make theirs on the same server. */
export const ownScratchDatabases = Effect.gen(function* () {
  const db = yield* Db
  const { count } = yield* db.query(
    (sql) => sql`
    select from pg_database, (${sql.unsafe(facts)}) own (facts)
     where datname like 'vlog_verify_' || (own.facts ->> 'key') || '%'`
  )
  return count
})
