/**
 * One connection to PostgreSQL, for one statement or transaction at a time, and for its first life only.
 *
 * postgres.js can lose a statement for ever: one that it writes between the `error` and the `close` of a socket that was
 * reset, or that waits in its buffer when the socket closes, is never answered, and neither is any later one on that
 * connection. It also lets a transaction continue, outside of it, on a connection that it has opened again. So each
 * connection is an instance of its own that is never used again once it closed, failed, or did not answer in time.
 */
import { Duration, Effect } from "effect"
import postgres from "postgres"
import { registerArrays } from "./arrays.ts"
import { type DbError, toDbError, unavailable, UnsafeInteger } from "./DbError.ts"
import { registerText } from "./text.ts"

/** Its own type of JSON has none of ours: read-only arrays, interfaces, and what came from outside. */
export type Sql = postgres.Sql<{ bigint: number }> & { json(value: unknown): postgres.Parameter }

export interface ConnectionSettings {
  readonly url: string
  readonly applicationName: string
  readonly statementTimeout: Duration.Duration
  readonly idleInTransactionTimeout: Duration.Duration
}

/** The server, the first of several, and the database. */
export interface Place {
  readonly address: string
  readonly port: number
  readonly database: string
}

export interface Connection {
  readonly sql: Sql
  readonly place: Place
  /** Host, port and database, for messages. */
  readonly server: string
  /** Settles when the connection is gone. */
  readonly closed: Promise<void>
  /** `doubtful`: a statement was interrupted, so that its cancellation may still arrive. */
  state: "usable" | "doubtful" | "lost"
}

/** Connects with the first statement. */
export function open(
  settings: ConnectionSettings,
  options: { readonly onNotify?: (channel: string, payload: string) => void } = {}
): Connection {
  const { promise: closed, resolve: onclose } = Promise.withResolvers<void>()
  const sql = postgres(settings.url, {
    max: 1,
    idle_timeout: options.onNotify === undefined ? 30 : undefined,
    connect_timeout: 5,
    keep_alive: 15,
    backoff: () => 0,
    // See `registerArrays`.
    fetch_types: false,
    onnotice: () => {},
    onclose: () => {
      connection.state = "lost"
      onclose()
    },
    connection: {
      application_name: settings.applicationName,
      TimeZone: "UTC",
      ...serverTimeouts(settings.statementTimeout),
      idle_in_transaction_session_timeout: Duration.toMillis(settings.idleInTransactionTimeout)
    },
    types: { bigint: int8 },
    // What `sql.listen` uses; its own way of connecting again gives up without a word.
    ...({ onnotify: options.onNotify } as object)
  })
  registerArrays(sql.options)
  registerText(sql.options)
  const { host, port, database } = sql.options
  const connection: Connection = {
    sql,
    place: { address: host[0] ?? "", port: port[0] ?? 5432, database },
    server: `${host.map((name, i) => `${name}:${port[i] ?? port[0]}`).join(",")}/${database}`,
    closed,
    state: "usable"
  }
  return connection
}

/** Runs one statement. Interruption cancels it in the server and waits, for a moment, until that is done. */
export function run<T>(
  connection: Connection,
  pending: postgres.PendingQuery<any> & PromiseLike<T>,
  limit: Duration.Duration
): Effect.Effect<T, DbError> {
  return Effect.callback<T, DbError>((resume) => {
    if (connection.state !== "usable") {
      return resume(Effect.fail(unavailable(connection.server, "CONNECTION_LOST", "the connection was lost")))
    }
    const timer = setTimeout(() => {
      connection.state = "lost"
      const problem = `no answer within ${Duration.format(limit)}; the connection was replaced`
      resume(Effect.fail(unavailable(connection.server, "STATEMENT_TIMEOUT", problem)))
      void cancel(pending)
    }, Duration.toMillis(limit))
    pending.then(
      (rows) => {
        clearTimeout(timer)
        resume(Effect.succeed(rows))
      },
      (cause) => {
        clearTimeout(timer)
        if (cause instanceof UnsafeInteger) return resume(Effect.die(cause))
        const error = toDbError(cause, connection.server)
        if (error.reason === "Unavailable") connection.state = "lost"
        resume(Effect.fail(error))
      }
    )
    return Effect.promise(async () => {
      clearTimeout(timer)
      if (connection.state === "usable") connection.state = "doubtful"
      const done = await within(1_000, Promise.allSettled([pending, cancel(pending)]))
      if (!done) connection.state = "lost"
    })
  })
}

/** Ends the connection; the server rolls back what was open. */
export async function end(connection: Connection): Promise<void> {
  const timeout = connection.state === "lost" ? 0 : 2
  connection.state = "lost"
  await connection.sql.end({ timeout }).catch(() => {})
}

/** For a transaction whose statements have a limit of their own. */
export function setLocalTimeouts(limit: Duration.Duration): string {
  const { statement_timeout, lock_timeout } = serverTimeouts(limit)
  return `set local statement_timeout = ${statement_timeout}; set local lock_timeout = ${lock_timeout}`
}

/** Below our own limit, so that a slow statement is told from a dead connection. */
function serverTimeouts(limit: Duration.Duration) {
  const millis = Duration.toMillis(limit)
  return { statement_timeout: Math.ceil(millis * 0.9), lock_timeout: Math.ceil(millis * 0.5) }
}

const int8: postgres.PostgresType<number> = {
  to: 20,
  from: [20],
  serialize: (value) => `${value}`,
  parse: (text: string) => {
    const value = Number(text)
    if (!Number.isSafeInteger(value)) throw new UnsafeInteger(`bigint ${text} does not fit a JavaScript number`)
    return value
  }
}

/** What `cancel` of postgres.js calls, and whose promise that drops: a rejection that nobody handles ends the program. */
interface Cancellable {
  canceller: ((query: unknown) => Promise<void>) | null
}

async function cancel(pending: postgres.PendingQuery<any>): Promise<void> {
  const query = pending as unknown as Cancellable
  const { canceller } = query
  query.canceller = null
  // When the server is gone it rejects.
  await canceller?.(query).catch(() => {})
}

async function within(millis: number, event: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<false>((done) => (timer = setTimeout(() => done(false), millis)))
  const happened = await Promise.race([event.then(() => true), timeout])
  clearTimeout(timer)
  return happened
}
