/** What can go wrong with a statement, as the rest of the program sees it. Nobody else knows about SQLSTATE. */
import { Schema } from "effect"
import postgres from "postgres"
import { codeOf, messageOf } from "../process/causes.ts"

const DbReason = Schema.Literals([
  /** Not reached, not answering, or refusing everybody. Nothing is wrong with the statement: try later. */
  "Unavailable",
  /** A constraint said no. */
  "Conflict",
  /** Lost a race with another transaction: the same again may succeed, see `retryRaces`. */
  "Retryable",
  /** Ran longer than a statement may. */
  "Cancelled",
  "Unexpected"
])
type DbReason = typeof DbReason.Type

export class DbError extends Schema.TaggedError<DbError>()("DbError", {
  reason: DbReason,
  /** SQLSTATE of the server, or the code of the driver or the system. */
  code: Schema.NullOr(Schema.String),
  constraint: Schema.NullOr(Schema.String),
  /** For the operator. Holds neither the password nor values of the statement. */
  description: Schema.String
}) {
  override get message() {
    return this.description
  }
}

/** The driver threw away a digit rather than hand out a wrong number: our schema has no such column. */
export class UnsafeInteger extends Error {}

export function toDbError(cause: unknown, server: string): DbError {
  const code = codeOf(cause)
  const constraint = cause instanceof postgres.PostgresError ? (cause.constraint_name ?? null) : null
  const reason = classify(code, cause)
  const text = textOf(cause)
  const description =
    reason === "Unavailable"
      ? `PostgreSQL at ${server} is not available: ${text}${advice(code)}`
      : `PostgreSQL at ${server} refused a statement${code === null ? "" : ` (${code})`}: ${text}`
  return new DbError({ reason, code, constraint, description })
}

export function unavailable(server: string, code: string, problem: string): DbError {
  const description = `PostgreSQL at ${server} is not available: ${problem}`
  return new DbError({ reason: "Unavailable", code, constraint: null, description })
}

function classify(code: string | null, cause: unknown): DbReason {
  if (code === null) return "Unexpected"
  if (code === "40001" || code === "40P01" || code === "55P03") return "Retryable"
  if (code === "57014") return "Cancelled"
  if (code.startsWith("23")) return "Conflict"
  // Connection, credentials, resources, shutdown; a missing database, and a server that may only be read (fail-over).
  if (/^(08|28|53|57|58|3D000|25006|25P03)/.test(code)) return "Unavailable"
  if (cause instanceof postgres.PostgresError) return "Unexpected"
  return /^(CONNECT|E[A-Z]+$|ERR_(SSL|TLS|SOCKET)|SASL)/.test(code) ? "Unavailable" : "Unexpected"
}

/** An address that resolves to several fails with one error for each, and an empty text. */
function textOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.message === "") return cause.errors.map(textOf).join("; ")
  return messageOf(cause)
}

function advice(code: string | null): string {
  if (code === "28P01" || code === "28000") return "; check user and password in VLOG_DATABASE_URL"
  if (code === "3D000") return "; check the database name in VLOG_DATABASE_URL, or create the database"
  if (code === "53300") return "; lower VLOG_DATABASE_POOL_MAX or raise max_connections of the server"
  return ""
}
