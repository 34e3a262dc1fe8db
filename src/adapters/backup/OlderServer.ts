/**
 * Restores with a pg_restore that is newer than the server. From version 17 on it sets `transaction_timeout` at the
 * start, which older servers do not know, and in a single transaction one error is the end. So it writes a script, that
 * line is left out, and psql runs the rest.
 */
import { Effect, Stream } from "effect"
import { majorOf } from "../../domain/backups/ClientVersion.ts"
import type { DatabaseRef } from "../../domain/ports/BackupDatabase.ts"
import { ToolMissing } from "../../domain/ports/BackupTool.ts"
import type { ExitStatus } from "../process/launch.ts"
import { type Handle, Subprocess } from "../process/Subprocess.ts"
import * as Psql from "./Psql.ts"
import { connectionString, type LibpqEnvironment } from "./Servers.ts"

const firstWithTransactionTimeout = 17

/** Whether a restore by this client into this database has to go by a script. */
export const needsScript = Effect.fnUntraced(function* (
  clientVersion: string,
  environment: LibpqEnvironment,
  into: DatabaseRef
) {
  if ((majorOf(clientVersion) ?? 0) < firstWithTransactionTimeout) return false
  const psql = yield* Psql.open(environment, into.name)
  const [version = ""] = yield* psql.query("show server_version")
  return (majorOf(version) ?? 0) < firstWithTransactionTimeout
}, Effect.scoped)

/** What comes before any data of the archive: the line that is looked for could be a row further on. */
const headerBytes = 4096

export const withoutTransactionTimeout = <E>(script: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E> =>
  Stream.mapAccum(
    script,
    (): Buffer | null => Buffer.alloc(0),
    (header, chunk) => {
      if (header === null) return [null, [chunk]]
      const begun = Buffer.concat([header, chunk])
      return begun.length < headerBytes ? [begun, []] : [null, [withoutLine(begun)]]
    },
    { onHalt: (header) => (header === null ? [] : [withoutLine(header)]) }
  )

/** Byte for byte: what stands in a database need not be UTF-8. */
const withoutLine = (script: Buffer): Uint8Array => {
  const line = "SET transaction_timeout = 0;\n"
  const at = script.subarray(0, headerBytes).indexOf(`\n${line}`) + 1
  return at === 0 ? script : Buffer.concat([script.subarray(0, at), script.subarray(at + line.length)])
}

/**
 * Runs the script that pg_restore writes; `reading` is over when it has read its archive. What is not all there is not
 * committed.
 */
export const runScript = Effect.fnUntraced(function* <E>(
  restore: Handle,
  reading: Effect.Effect<ExitStatus, E>,
  environment: LibpqEnvironment,
  into: DatabaseRef
) {
  const subprocess = yield* Subprocess
  const psql = yield* subprocess
    .start(
      "psql",
      ["--no-psqlrc", "--no-password", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--file=-"].concat(
        `--dbname=${connectionString(into.name)}`
      ),
      { env: environment, bareEnvironment: true, stdin: "pipe", stdout: "ignore", grace: "5 seconds" }
    )
    .pipe(Effect.mapError((error) => new ToolMissing({ problem: error.message })))
  const [status] = yield* Effect.all(
    [reading, Stream.runForEach(withoutTransactionTimeout(restore.bytes), psql.write)],
    { concurrency: 2 }
  )
  // psql commits at the end of its input, which must not come when the archive broke off.
  if (status.code !== 0) return { handle: restore, status }
  yield* psql.endInput
  return { handle: psql, status: yield* psql.exitStatus }
})
