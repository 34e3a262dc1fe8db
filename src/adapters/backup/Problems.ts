/** Reads what PostgreSQL's programs say when they fail. */
import { DatabaseProblem } from "../../domain/ports/BackupDatabase.ts"

const patterns = [
  ["missing", /database ".*" does not exist/],
  [
    "denied",
    /authentication failed|no password supplied|no pg_hba\.conf entry|permission denied|must be (owner|superuser|member)|role ".*" does not exist|query would be affected by row-level security/
  ],
  [
    "unreachable",
    /connection to server .* failed|could not (connect|translate)|server closed the connection|terminating connection|connection not open|timeout expired|the database system is|no connection to the server|connection to server was lost|SSL error|SSL SYSCALL/
  ],
  // Says nothing about an archive that was to be restored there.
  [
    "failed",
    /No space left on device|is not available|extension control file|disk full|too many connections|remaining connection slots/
  ]
] as const

/** The line that names the error, not the statement that is quoted after it; and what the server said, where it did. */
export const errorLine = (text: string): string => {
  const lines = text.split("\n").filter((line) => line.trim() !== "")
  const found = lines.find((line) => /(error|FATAL|ERROR|PANIC):/.test(line)) ?? lines.at(-1) ?? "it said nothing"
  const problem = found
    .replace(/^(psql|pg_dump|pg_restore): (error: )?/, "")
    .replace(/^ERROR: +/, "")
    .trim()
  const [, server] = /Error message from server: (.+)/.exec(text) ?? []
  return server === undefined || problem.includes(server.trim())
    ? problem
    : `${problem} The server said: ${server.trim()}`
}

/** Trouble with the server or the rights there, as told from trouble with anything else. */
export const databaseProblem = (text: string): DatabaseProblem | undefined => {
  const found = patterns.find(([, pattern]) => pattern.test(text))
  return found === undefined ? undefined : new DatabaseProblem({ reason: found[0], problem: errorLine(text) })
}

export const anyDatabaseProblem = (text: string): DatabaseProblem =>
  databaseProblem(text) ?? new DatabaseProblem({ reason: "failed", problem: errorLine(text) })
