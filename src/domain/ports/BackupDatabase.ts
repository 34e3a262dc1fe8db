/** The database that is backed up, and the server on which backups are tried. */
import type { Effect, Scope } from "effect"
import { Context, Schema } from "effect"
import type { Fingerprint } from "../backups/Fingerprint.ts"

/** `unreachable`: nobody answers, or the server went away. `denied`: not with this user or password. */
export class DatabaseProblem extends Schema.TaggedError<DatabaseProblem>()("DatabaseProblem", {
  reason: Schema.Literals(["unreachable", "denied", "missing", "failed"]),
  problem: Schema.String
}) {
  override get message() {
    return `${this.problem}${advice[this.reason]}`
  }
}

const advice = {
  unreachable: "; check PGHOST, PGPORT and the TLS settings, and whether the server is up",
  denied: "; check PGUSER, PGPASSWORD or the file in PGPASSFILE, and what this role may do (it needs pg_read_all_data)",
  missing: "; check PGDATABASE",
  failed: ""
} as const

/** Another run has the lock: its result counts. */
export class BackupBusy extends Schema.TaggedError<BackupBusy>()("BackupBusy", { database: Schema.String }) {
  override get message() {
    return `Another backup command is running for the database ${this.database}: wait for it to end`
  }
}

/** `source` is the server that is backed up. `scratch` may be the same. */
export interface DatabaseRef {
  readonly server: "source" | "scratch"
  readonly name: string
}

export interface ServerFacts {
  readonly database: string
  readonly version: string
  /** Differs between any two databases, also between those of one server. */
  readonly key: string
}

/** A moment of the database that pg_dump can look at as well. */
export interface Snapshot {
  readonly id: string
  readonly lsn: string
  readonly takenAt: Date
  /** Of the database at this moment. */
  readonly fingerprint: Effect.Effect<Fingerprint, DatabaseProblem>
}

/** The right to run backup commands for one database, as long as the scope lasts. */
export interface BackupSession {
  readonly facts: ServerFacts
  /** Exports a snapshot that lasts as long as the scope. */
  readonly snapshot: Effect.Effect<Snapshot, DatabaseProblem, Scope.Scope>
  /** Fails when the connection, and with it the lock, was lost. */
  readonly stillHeld: Effect.Effect<void, DatabaseProblem>
}

export class BackupDatabase extends Context.Service<
  BackupDatabase,
  {
    readonly session: Effect.Effect<BackupSession, DatabaseProblem | BackupBusy, Scope.Scope>

    /** An empty database, of the encoding and the locale of the source where the server knows it. */
    create(database: DatabaseRef): Effect.Effect<void, DatabaseProblem>
    drop(database: DatabaseRef): Effect.Effect<void, DatabaseProblem>
    exists(database: DatabaseRef): Effect.Effect<boolean, DatabaseProblem>
    /** Names of databases that begin with this. */
    named(server: DatabaseRef["server"], prefix: string): Effect.Effect<ReadonlyArray<string>, DatabaseProblem>

    fingerprint(database: DatabaseRef): Effect.Effect<Fingerprint, DatabaseProblem>
    /** Compares tables and indexes with each other; what is wrong, in words. `skipped` where this role may not. */
    checkIndexes(
      database: DatabaseRef
    ): Effect.Effect<
      { readonly outcome: "passed" | "failed" | "skipped"; readonly problem: string | null },
      DatabaseProblem
    >

    /** Takes every task back from its worker: leases of the past are worth nothing. The number of them. */
    revokeLeases(database: DatabaseRef): Effect.Effect<number, DatabaseProblem>
    /** Who is connected to it, apart from us. */
    clients(name: string): Effect.Effect<ReadonlyArray<string>, DatabaseProblem>
    /**
     * In one transaction, `live` becomes `keepAs` and `replacement` becomes `live`. Everybody is disconnected, and the
     * kept one lets nobody in.
     */
    swap(options: {
      readonly live: string
      readonly replacement: string
      readonly keepAs: string
    }): Effect.Effect<void, DatabaseProblem>
  }
>()("vlog/domain/ports/BackupDatabase") {}
