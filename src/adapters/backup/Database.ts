/** BackupDatabase by psql. */
import { Effect, Layer, Schema } from "effect"
import {
  BackupBusy,
  BackupDatabase,
  type BackupSession,
  DatabaseProblem,
  type DatabaseRef,
  type Snapshot
} from "../../domain/ports/BackupDatabase.ts"
import { Subprocess } from "../process/Subprocess.ts"
import * as Queries from "./DatabaseQueries.ts"
import { fingerprint } from "./FingerprintQueries.ts"
import { checkIndexes } from "./IndexQueries.ts"
import { open, type Psql } from "./Psql.ts"
import { Servers } from "./Servers.ts"

const make = Effect.gen(function* () {
  const servers = yield* Servers
  const subprocess = yield* Subprocess

  const connect = (server: DatabaseRef["server"], database?: string) =>
    open(servers[server], database).pipe(Effect.provideService(Subprocess, subprocess))

  /** One connection for one question. */
  const ask = <A, E>(
    server: DatabaseRef["server"],
    database: string | undefined,
    use: (psql: Psql) => Effect.Effect<A, E>
  ) => Effect.scoped(Effect.flatMap(connect(server, database), use))

  const session = Effect.gen(function* () {
    const psql = yield* connect("source")
    const [facts] = yield* psql.rows(Queries.Facts, Queries.facts)
    const [locked] = yield* psql.rows(Schema.Boolean, Queries.tryLock)
    if (locked !== true) return yield* new BackupBusy({ database: facts!.database })

    const snapshot = Effect.acquireRelease(psql.rows(Queries.SnapshotRow, Queries.beginSnapshot), () =>
      Effect.ignore(psql.query("rollback"))
    ).pipe(Effect.map(([row]): Snapshot => ({ ...row!, fingerprint: fingerprint(psql) })))

    return { facts: facts!, snapshot, stillHeld: Effect.asVoid(psql.query("select")) } satisfies BackupSession
  }).pipe(Effect.withSpan("BackupDatabase.session"))

  const create = Effect.fn("BackupDatabase.create")(function* (database: DatabaseRef) {
    const like = database.server === "source" || servers.same ? "current" : "plain"
    yield* ask(database.server, undefined, (psql) => psql.query(Queries.createStatement(database.name, like))).pipe(
      Effect.mapError((error) => (error.reason === "denied" ? mayNotCreate(error) : error))
    )
  })

  const drop = Effect.fn("BackupDatabase.drop")(function* (database: DatabaseRef) {
    yield* ask(database.server, undefined, (psql) =>
      psql.query(`drop database if exists ${Queries.identifier(database.name)} with (force)`)
    )
  })

  const named = (server: DatabaseRef["server"], prefix: string) =>
    ask(server, undefined, (psql) => psql.rows(Schema.String, Queries.named(prefix)))

  const exists = (database: DatabaseRef) =>
    Effect.map(named(database.server, database.name), (names) => names.includes(database.name))

  /** From a database that nobody renames. */
  const swap = Effect.fn("BackupDatabase.swap")(function* (options: {
    readonly live: string
    readonly replacement: string
    readonly keepAs: string
  }): Effect.fn.Return<void, DatabaseProblem> {
    const { live, replacement } = options
    yield* ask("source", "postgres", (psql) =>
      Effect.gen(function* () {
        yield* psql.query(Queries.shutOut(live))
        yield* psql.query(Queries.shutOut(replacement))
        yield* psql.query(Queries.exchange(options))
        yield* psql.query(Queries.letIn(live))
      })
    ).pipe(
      Effect.onError(() =>
        // A session that failed is over. The names are exchanged or not: what is kept has neither of them.
        Effect.forEach([live, replacement], (name) =>
          Effect.ignore(ask("source", "postgres", (psql) => psql.query(Queries.letIn(name))))
        )
      )
    )
  })

  return BackupDatabase.of({
    session,
    create,
    drop,
    exists,
    named,
    fingerprint: (database) => ask(database.server, database.name, fingerprint),
    checkIndexes: (database) => ask(database.server, database.name, checkIndexes),
    revokeLeases: (database) =>
      ask(database.server, database.name, (psql) => psql.rows(Schema.Int, Queries.revokeLeases)).pipe(
        Effect.map(([count]) => count ?? 0)
      ),
    clients: (name) => ask("source", undefined, (psql) => psql.rows(Schema.String, Queries.clients(name))),
    swap
  })
})

const mayNotCreate = ({ problem }: DatabaseProblem) =>
  new DatabaseProblem({
    reason: "denied",
    problem: `${problem} (alter role ... createdb, or BACKUP_SCRATCH=embedded to try backups elsewhere)`
  })

export const layer = Layer.effect(BackupDatabase, make)
