/**
 * A session of psql. It reads the environment, the password file and the service file as pg_dump does, so that all
 * programs of a backup reach the same server in the same way.
 */
import type { Scope } from "effect"
import { Cause, Effect, Queue, Schema, Semaphore, Stream } from "effect"
import { DatabaseProblem } from "../../domain/ports/BackupDatabase.ts"
import { Subprocess } from "../process/Subprocess.ts"
import { anyDatabaseProblem } from "./Problems.ts"
import { connectionString, type LibpqEnvironment } from "./Servers.ts"

export interface Psql {
  /** Runs statements and says what they returned, a line a row. After a failure the session is over. */
  query(sql: string): Effect.Effect<ReadonlyArray<string>, DatabaseProblem>
  /** The same where each row is one JSON value. A row that does not fit is a defect. */
  rows<S extends Schema.Codec<unknown, unknown>>(
    schema: S,
    sql: string
  ): Effect.Effect<ReadonlyArray<S["Type"]>, DatabaseProblem>
}

/** Rows become the same text in every session; no limit of the server's stops a long backup. */
const preamble = `
  set client_min_messages = error;
  set statement_timeout = 0;
  set lock_timeout = '60s';
  set idle_in_transaction_session_timeout = 0;
  set idle_session_timeout = 0;
  set row_security = off;
  set search_path = pg_catalog;
  set timezone = 'UTC';
  set datestyle = 'ISO, MDY';
  set intervalstyle = 'postgres';
  set extra_float_digits = 1;
  set bytea_output = 'hex';
  set xmloption = 'content'`

export const open = Effect.fn("Psql.open")(function* (
  environment: LibpqEnvironment,
  database?: string
): Effect.fn.Return<Psql, DatabaseProblem, Subprocess | Scope.Scope> {
  const subprocess = yield* Subprocess
  const handle = yield* subprocess
    .start(
      "psql",
      ["--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"].concat(
        `--dbname=${connectionString(database)}`
      ),
      { env: environment, bareEnvironment: true, stdin: "pipe", grace: "2 seconds" }
    )
    .pipe(Effect.mapError((error) => new DatabaseProblem({ reason: "failed", problem: error.message })))
  const lines = yield* Queue.unbounded<string, Cause.Done>()
  yield* Effect.forkScoped(Stream.runIntoQueue(handle.lines, lines))
  const turn = yield* Semaphore.make(1)

  const gone = handle.exitStatus.pipe(
    Effect.andThen(handle.stderrTail),
    Effect.flatMap((text) => Effect.fail(anyDatabaseProblem(text)))
  )

  const query = (sql: string) =>
    Effect.gen(function* () {
      const marker = `end-${crypto.randomUUID()}`
      yield* handle.write(`${sql}\n;\n\\echo ${marker}\n`)
      const rows: Array<string> = []
      while (true) {
        const line = yield* Queue.take(lines)
        if (line === marker) return rows as ReadonlyArray<string>
        if (line !== "") rows.push(line)
      }
    }).pipe(
      Effect.catchTag("Done", () => gone),
      turn.withPermit
    )

  const rows = <S extends Schema.Codec<unknown, unknown>>(schema: S, sql: string) => {
    const decode = Schema.decodeEffect(Schema.fromJsonString(schema))
    return Effect.flatMap(query(sql), (texts) => Effect.orDie(Effect.forEach(texts, (text) => decode(text))))
  }

  yield* query(preamble)
  return { query, rows }
})
