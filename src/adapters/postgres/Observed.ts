/** What is told of each statement: a span, by the names of OpenTelemetry, and its share in the metrics. */
import { Effect, Metric } from "effect"
import { memoize } from "effect/Function"
import type postgres from "postgres"
import type { Connection, Place } from "./connection.ts"
import type { DbError } from "./DbError.ts"

const seconds = Metric.histogram("vlog_db_query_duration_seconds", {
  description: "Seconds from sending a statement to its last row, by what it does",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
})

const errors = Metric.counter("vlog_db_errors_total", {
  description: "Statements that failed, by what kind of failure it was",
  incremental: true
})

export const dbRetries = Metric.counter("vlog_db_query_retries_total", {
  description: "Transactions that were done again because they had lost a race",
  incremental: true
})

export const connectionsActive = Metric.gauge("vlog_db_connections_active", {
  description: "Connections of the pool that are in use"
})

export const connectionsMax = Metric.gauge("vlog_db_connections_max", {
  description: "Connections that the pool may have at most"
})

export const connectionsAwaited = Metric.gauge("vlog_db_connections_awaited", {
  description: "Programs that wait for a connection of the pool"
})

const operations = ["select", "insert", "update", "delete", "other"] as const
type Operation = (typeof operations)[number]

const reasons: ReadonlyArray<DbError["reason"]> = ["Cancelled", "Conflict", "Retryable", "Unavailable", "Unexpected"]

const secondsBy = (operation: Operation) => Metric.withAttributes(seconds, { operation })
const secondsOf = Object.fromEntries(operations.map((operation) => [operation, secondsBy(operation)])) as Record<
  Operation,
  ReturnType<typeof secondsBy>
>
const errorsBy = (reason: DbError["reason"]) => Metric.withAttributes(errors, { reason })

const series: ReadonlyArray<Metric.Metric<never, unknown>> = [
  ...operations.map(secondsBy),
  ...reasons.map(errorsBy),
  dbRetries
]

/** A series that appears with the first trouble comes too late for an alert: to look at one makes it exist. */
export const touchDb = Effect.forEach(series, Metric.value, { discard: true })

/** What a statement is for is the last verb of those that change something: `with` begins with what it needs. */
const operationOf = (text: string): Operation =>
  (/\b(insert)\s+into\b|\b(update)\s+(?!of\b|skip\b)\w+\s|\b(delete)\s+from\b/i
    .exec(text)
    ?.slice(1)
    .find((verb) => verb !== undefined)
    ?.toLowerCase() as Operation | undefined) ?? (/^\s*(with|select)\b/i.test(text) ? "select" : "other")

const targetOf = (text: string, operation: Operation): string | undefined => {
  const after = { select: "from", insert: "into", update: "update", delete: "from", other: "from" }[operation]
  return new RegExp(`\\b${after}\\s+([a-z_]+)`, "i").exec(text)?.[1]
}

/** The same for every run of a statement, whose text has no values in it. */
const described = memoize((strings: ReadonlyArray<string>) => {
  const text = strings.join("?").replaceAll(/\s+/g, " ").trim()
  const operation = operationOf(text)
  const verb = (operation === "other" ? (text.split(" ", 1)[0] ?? "") : operation).toUpperCase()
  return { text, operation, verb, target: targetOf(text, operation) }
})

const attributesOf = ({ address, database, port }: Place) => ({
  "db.system.name": "postgresql",
  "db.namespace": database,
  "server.address": address,
  "server.port": port
})

const failed = (error: DbError) =>
  Effect.andThen(
    Effect.annotateCurrentSpan({ "db.response.status_code": error.code }),
    Metric.update(errorsBy(error.reason), 1)
  )

export const observed = <A>(
  connection: Connection,
  pending: postgres.PendingQuery<any>,
  effect: Effect.Effect<A, DbError>
): Effect.Effect<A, DbError> =>
  Effect.suspend(() => {
    const { strings } = pending as unknown as { readonly strings: ReadonlyArray<string> }
    const { operation, target, text, verb } = described(strings)
    const summary = `${verb} ${target ?? connection.place.database}`
    const started = performance.now()
    return effect.pipe(
      Effect.onExit(() => Metric.update(secondsOf[operation], (performance.now() - started) / 1000)),
      Effect.tapError(failed),
      Effect.withSpan(
        summary,
        {
          kind: "client",
          attributes: {
            ...attributesOf(connection.place),
            "db.operation.name": verb,
            "db.query.summary": summary,
            "db.query.text": text
          }
        },
        { captureStackTrace: false }
      )
    )
  })

export const observedTransaction = (place: Place) => ({
  kind: "client" as const,
  attributes: { ...attributesOf(place), "db.operation.name": "BEGIN", "db.query.summary": "BEGIN" }
})
