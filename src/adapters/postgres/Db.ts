/** PostgreSQL: statements and transactions over a pool of connections that are replaced when they fail. */
import {
  Context,
  Duration,
  Effect,
  Exit,
  Layer,
  Metric,
  Option,
  Redacted,
  Schedule,
  Schema,
  Semaphore,
  Stream
} from "effect"
import { memoize } from "effect/Function"
import type postgres from "postgres"
import { type Connection, type ConnectionSettings, end, open, run, setLocalTimeouts, type Sql } from "./connection.ts"
import { DbError, unavailable } from "./DbError.ts"
import { type Notification, notifications } from "./notifications.ts"
import {
  connectionsActive,
  connectionsAwaited,
  connectionsMax,
  dbRetries,
  observed,
  observedTransaction,
  touchDb
} from "./Observed.ts"

export type { Sql } from "./connection.ts"
export { DbError } from "./DbError.ts"
export type { Notification } from "./notifications.ts"

/**
 * Writes a statement: values as `${...}`, jsonb as `${sql.json(value)}`, identifiers as `${sql(name)}`, arrays of strings
 * and numbers as they are, and other arrays as `${sql.array(values, typeOfAnElement)}`.
 */
export type Build<Row extends object> = (sql: Sql) => postgres.PendingQuery<Array<Row>>

export interface DbOptions {
  readonly url: Redacted.Redacted
  readonly applicationName: string
  /** Connections at most; 10 unless said otherwise. */
  readonly max?: number | undefined
  /** For one statement, from sending it to the last row, and for the wait for a free connection; 10 seconds. */
  readonly statementTimeout?: Duration.Input | undefined
  /** For a transaction that does something else than statements; 30 seconds. */
  readonly idleInTransactionTimeout?: Duration.Input | undefined
}

/** The connection of the enclosing transaction, if any, and how deep we are in savepoints. */
const Pinned = Context.Reference<{ readonly connection: Connection; readonly depth: number } | undefined>(
  "vlog/adapters/postgres/Db/Pinned",
  { defaultValue: () => undefined }
)

const StatementTimeout = Context.Reference<Duration.Duration | undefined>(
  "vlog/adapters/postgres/Db/StatementTimeout",
  {
    defaultValue: () => undefined
  }
)

/** Runs an effect outside the enclosing transaction, on a connection of its own. */
export const outsideTransaction = Effect.provideService(Pinned, undefined)

/** How long each statement of an effect may take, when not as long as the layer says. More needs a transaction. */
export const withStatementTimeout = (limit: Duration.Input) =>
  Effect.provideService(StatementTimeout, Duration.fromInputUnsafe(limit))

/** Repeats a transaction that lost a race (`Retryable`), a few times. */
export const retryRaces = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.retry(effect, {
    while: (error) =>
      error instanceof DbError && error.reason === "Retryable" ? Effect.as(Metric.update(dbRetries, 1), true) : false,
    schedule: Schedule.jittered(Schedule.exponential("20 millis")),
    times: 5
  })

export class Db extends Context.Service<
  Db,
  {
    /** One statement; its rows as they are. `count` is the number of rows that it returned or changed. */
    query<Row extends object>(
      build: Build<Row>
    ): Effect.Effect<ReadonlyArray<Row> & { readonly count: number }, DbError>
    /** One statement whose rows are decoded with `schema`; a row that does not fit is a defect. */
    rows<S extends Schema.Constraint>(
      schema: S,
      build: Build<object>
    ): Effect.Effect<ReadonlyArray<S["Type"]>, DbError, S["DecodingServices"]>
    /**
     * Runs an effect in a transaction, a nested one in a savepoint. Failure and interruption roll back. When the
     * connection is lost at the commit, `Unavailable` does not say whether it was committed.
     */
    transaction<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | DbError, R>
    /**
     * Notifications of one channel, over a connection of its own that is made again whenever it is lost. Only a hint:
     * those sent in the meantime are gone.
     */
    listen(channel: string): Stream.Stream<Notification>
    /** Whether PostgreSQL answers, asked apart from the pool so that a busy one does not look like a dead one. */
    readonly ping: Effect.Effect<void, DbError>
  }
>()("vlog/adapters/postgres/Db") {
  static readonly layer = (options: DbOptions): Layer.Layer<Db, DbError> => Layer.effect(Db, make(options))
}

/** To make one costs more than to use it. */
const decoderOf = memoize((schema: Schema.Constraint) => Schema.decodeUnknownEffect(Schema.Array(schema))) as <
  S extends Schema.Constraint
>(
  schema: S
) => (rows: unknown) => Effect.Effect<ReadonlyArray<S["Type"]>, Schema.SchemaError, S["DecodingServices"]>

const make = Effect.fnUntraced(function* (options: DbOptions) {
  const { place, server, settings } = yield* checked(options)
  const max = options.max ?? 10
  yield* touchDb
  yield* Metric.update(connectionsMax, max)
  yield* Metric.update(connectionsActive, 0)
  yield* Metric.update(connectionsAwaited, 0)
  const permits = yield* Semaphore.make(max)
  const probe = yield* Semaphore.make(1)
  const living = new Set<Connection>()
  const idle: Array<Connection> = []
  yield* Effect.addFinalizer(() => Effect.promise(() => Promise.all([...living].map(end))))

  const connect = (onNotify?: (channel: string, payload: string) => void) => {
    const connection = open(settings, onNotify === undefined ? {} : { onNotify })
    living.add(connection)
    return connection
  }

  const discard = (connection: Connection) =>
    Effect.suspend(() => {
      const lost = connection.state === "lost"
      const ended = end(connection).finally(() => living.delete(connection))
      // After an interruption the work is to be undone when we return; a dead connection has nothing to tell.
      return lost ? Effect.void : Effect.promise(() => ended)
    })

  const take = Effect.sync(() => {
    while (idle.length > 0) {
      const connection = idle.pop()!
      if (connection.state === "usable") return connection
      living.delete(connection)
    }
    return connect()
  })

  const giveBack = (connection: Connection) =>
    connection.state === "usable" ? Effect.sync(() => void idle.push(connection)) : discard(connection)

  const counting = <A, E, R>(gauge: typeof connectionsActive, effect: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Metric.modify(gauge, 1),
      () => effect,
      () => Metric.modify(gauge, -1)
    )

  const permit = permits.takeScoped(1).pipe(
    Effect.timeoutOrElse({
      duration: settings.statementTimeout,
      orElse: () => {
        const waited = Duration.format(settings.statementTimeout)
        return Effect.fail(
          unavailable(server, "POOL_EXHAUSTED", `none of the ${max} connections became free within ${waited}`)
        )
      }
    })
  )

  const withConnection = <A, E, R>(use: (connection: Connection) => Effect.Effect<A, E, R>) => {
    const used = counting(connectionsActive, Effect.acquireUseRelease(take, use, giveBack))
    // A wait that may end needs a clock and a fiber of its own: most need not wait.
    return Effect.flatMap(
      permits.withPermitsIfAvailable(1)(used),
      Option.match({
        onNone: () => Effect.scoped(Effect.andThen(counting(connectionsAwaited, permit), used)),
        onSome: Effect.succeed
      })
    )
  }

  const statement = Effect.fnUntraced(function* <Row extends object>(connection: Connection, build: Build<Row>) {
    const limit = (yield* StatementTimeout) ?? settings.statementTimeout
    const pending = build(connection.sql)
    const answer = run<ReadonlyArray<Row> & { readonly count: number }>(connection, pending, limit)
    return yield* observed(connection, pending, answer)
  })

  const query = <Row extends object>(build: Build<Row>) =>
    Effect.flatMap(Pinned, (pinned) =>
      pinned === undefined
        ? withConnection((connection) => statement(connection, build))
        : statement(pinned.connection, build)
    )

  const rows = <S extends Schema.Constraint>(schema: S, build: Build<object>) =>
    Effect.flatMap(query(build), (rows: unknown) => Effect.orDie(decoderOf(schema)(rows)))

  const control = (connection: Connection, command: string) =>
    run<{ readonly command: string }>(connection, connection.sql.unsafe(command), settings.statementTimeout)

  const bracket = <A, E, R>(
    connection: Connection,
    depth: number,
    commands: { readonly begin: string; readonly commit: string; readonly rollback: string },
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | DbError, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        yield* control(connection, commands.begin)
        const exit = yield* Effect.exit(restore(Effect.provideService(effect, Pinned, { connection, depth })))
        if (Exit.isFailure(exit)) {
          yield* Effect.ignore(control(connection, commands.rollback))
          return yield* exit
        }
        const { command } = yield* control(connection, commands.commit)
        // The answer to a commit after a failed statement whose error somebody caught.
        if (command === "ROLLBACK") return yield* rolledBack
        return exit.value
      })
    )

  const transaction = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | DbError, R> =>
    Effect.gen(function* () {
      const outer = yield* Pinned
      if (outer !== undefined) {
        const name = `s${outer.depth}`
        return yield* bracket(
          outer.connection,
          outer.depth + 1,
          { begin: `savepoint ${name}`, commit: `release ${name}`, rollback: `rollback to ${name}; release ${name}` },
          effect
        )
      }
      const limit = yield* StatementTimeout
      const begin = limit === undefined ? "begin" : `begin; ${setLocalTimeouts(limit)}`
      return yield* withConnection((connection) =>
        bracket(connection, 1, { begin, commit: "commit", rollback: "rollback" }, effect)
      )
    }).pipe(Effect.withSpan(`BEGIN ${place.database}`, observedTransaction(place)))

  const listen = (channel: string) => notifications({ channel, settings, connect, discard })

  const ping = Effect.acquireUseRelease(
    take,
    (connection) => statement(connection, (sql) => sql`select 1`),
    giveBack
  ).pipe(probe.withPermit, withStatementTimeout("2 seconds"), Effect.asVoid)

  return Db.of({ query, rows, transaction, listen, ping })
})

const rolledBack = new DbError({
  reason: "Unexpected",
  code: "25P02",
  constraint: null,
  description: "the transaction was rolled back: a statement in it had failed before, outside a nested transaction"
})

const checked = Effect.fnUntraced(function* (options: DbOptions) {
  const settings: ConnectionSettings = {
    url: Redacted.value(options.url),
    applicationName: options.applicationName,
    statementTimeout: Duration.fromInputUnsafe(options.statementTimeout ?? "10 seconds"),
    idleInTransactionTimeout: Duration.fromInputUnsafe(options.idleInTransactionTimeout ?? "30 seconds")
  }
  return yield* Effect.try({
    try: () => {
      if (!/^postgres(ql)?:\/\//.test(settings.url)) throw new Error("not such a URL")
      // Connects with the first statement, so not at all.
      const { place, server } = open(settings)
      return { place, server, settings }
    },
    // The cause quotes the whole URL, with the password.
    catch: () =>
      new DbError({
        reason: "Unexpected",
        code: "BAD_URL",
        constraint: null,
        description:
          "the database URL (VLOG_DATABASE_URL) must be of the form postgres://user:password@host:port/database, " +
          "with special characters in user and password percent-encoded"
      })
  })
})
