/** From a backup to a database. Always a new one: the live one is at most exchanged for it, whole, at the end. */
import { Clock, Effect } from "effect"
import { type BackupName, packingOf } from "../backups/BackupName.ts"
import { differences, type TableFingerprint, tableDifferences, tableName, totalRows } from "../backups/Fingerprint.ts"
import type { Manifest } from "../backups/Manifest.ts"
import { BackupRefused, VerificationFailed } from "../backups/Refusal.ts"
import { BackupDatabase, type BackupSession, type DatabaseRef } from "../ports/BackupDatabase.ts"
import type { BackupCipher } from "../ports/BackupCipher.ts"
import type { BackupCopies } from "../ports/BackupCopies.ts"
import type { BackupStore } from "../ports/BackupStore.ts"
import { BackupTool } from "../ports/BackupTool.ts"
import { type Chosen, chooseBackup, type Place, readableBytes } from "./Catalogue.ts"
import { timed } from "./timed.ts"

export interface RestoreOptions {
  readonly backup: BackupName | "newest"
  /** Where it is looked for; in both places without. */
  readonly from?: Place | undefined
  /** A name of our own making when there is none. */
  readonly into: string | null
  /** Only these tables, named with or without their schema; all when there is none. */
  readonly tables: ReadonlyArray<string>
  readonly withRoles: boolean
  readonly swap: boolean
  /** Ends the connections of others where the swap needs it. */
  readonly disconnect: boolean
  readonly dryRun: boolean
}

export interface RestoreReport {
  readonly backup: BackupName
  readonly from: Place
  readonly database: string
  readonly rows: number
  readonly seconds: number
  readonly revokedLeases: number
  /** Where the former live database is now. */
  readonly kept: string | null
  readonly dryRun: boolean
}

const refuse = (problem: string) => new BackupRefused({ problem })

const chosenTables = Effect.fnUntraced(function* (manifest: Manifest, wanted: ReadonlyArray<string>) {
  const matches = (text: string) =>
    manifest.fingerprint.tables.filter((table) => table.name === text || tableName(table) === text)
  const unknown = wanted.filter((text) => matches(text).length === 0)
  if (unknown.length > 0) return yield* refuse(`${manifest.name} holds no table ${unknown.join(", ")}`)
  return wanted.flatMap(matches)
})

const rowsOf = ({ fingerprint }: Manifest, tables: ReadonlyArray<TableFingerprint>) =>
  totalRows(tables.length > 0 ? { ...fingerprint, tables } : fingerprint)

/** Of `NAMEDATALEN` 64: PostgreSQL cuts what is longer, and then nothing finds the database by what it was to be called. */
const longestName = 63

/** Everything that can be known beforehand is refused beforehand. */
const checkTarget = Effect.fnUntraced(function* (live: string, target: string, options: RestoreOptions) {
  const databases = yield* BackupDatabase
  if (target === live) {
    return yield* refuse(
      `${live} is the live database, which is never restored into: choose another name, and --swap to exchange the two`
    )
  }
  if (target === "" || new TextEncoder().encode(target).length > longestName) {
    return yield* refuse(`"${target}" is no name for a database: pass --into with 1 to ${longestName} bytes`)
  }
  if (yield* databases.exists({ server: "source", name: target })) {
    return yield* refuse(`The database ${target} exists already: drop it, or choose another name`)
  }
  if (options.swap && options.tables.length > 0) {
    return yield* refuse("A database with some of the tables cannot take the place of the live one: leave out --swap")
  }
  const clients = options.swap && !options.disconnect ? yield* databases.clients(live) : []
  if (clients.length > 0) {
    return yield* refuse(
      `${live} is in use by ${clients.join(", ")}: stop them first, or pass --disconnect to end their connections`
    )
  }
})

interface RestoreChoice {
  readonly tables: ReadonlyArray<TableFingerprint>
  readonly withRoles: boolean
}

/** The archive in a database that is empty, every row as it was. */
const fill = Effect.fnUntraced(function* (
  { name, ...manifest }: Manifest,
  bytes: Effect.Success<ReturnType<typeof readableBytes>>,
  into: DatabaseRef,
  options: RestoreChoice
) {
  const tool = yield* BackupTool
  const databases = yield* BackupDatabase
  const { tables } = options
  yield* tool.restore(bytes, packingOf(name).wrapping, { ...options, into })
  const found = yield* Effect.withSpan(databases.fingerprint(into), "restore.fingerprint")
  const problems = tables.length > 0 ? tableDifferences(tables, found.tables) : differences(manifest.fingerprint, found)
  if (problems.length > 0) return yield* new VerificationFailed({ backup: name, problem: problems.join("; ") })
  return totalRows(found)
})

/** The bytes are looked at before, and the rows after. The database is dropped again unless it is right. */
export const restoreDatabase = Effect.fn("restoreDatabase")(function* (
  chosen: Chosen,
  into: DatabaseRef,
  options: RestoreChoice
) {
  const databases = yield* BackupDatabase
  const { manifest, shelf } = chosen
  const bytes = yield* readableBytes(chosen)
  const digest = yield* Effect.withSpan(shelf.digest(manifest.name), "restore.digest")
  if (digest.sha256 !== manifest.sha256) {
    return yield* new VerificationFailed({
      backup: manifest.name,
      problem: "its bytes are not those that were written"
    })
  }
  // Only what was made here is dropped: reading the bytes takes minutes, in which somebody may take the name.
  return yield* Effect.uninterruptibleMask((restore) =>
    Effect.andThen(
      databases.create(into),
      restore(fill(manifest, bytes, into, options)).pipe(Effect.onError(() => Effect.ignore(databases.drop(into))))
    )
  )
}, timed)

const stamp = (millis: number) => new Date(millis).toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "_")

export const restoreBackup = Effect.fn("restoreBackup")(function* (
  session: BackupSession,
  options: RestoreOptions
): Effect.fn.Return<
  RestoreReport,
  | Effect.Error<ReturnType<typeof restoreDatabase>>
  | Effect.Error<ReturnType<typeof chooseBackup>>
  | Effect.Error<ReturnType<typeof checkTarget>>,
  BackupCipher | BackupCopies | BackupDatabase | BackupStore | BackupTool
> {
  const databases = yield* BackupDatabase
  const live = session.facts.database
  const now = stamp(yield* Clock.currentTimeMillis)
  const chosen = yield* chooseBackup(options.backup, options.from)
  const { manifest, place: from } = chosen
  const target = options.into ?? `${live}_restored_${now}`
  yield* checkTarget(live, target, options)
  const tables = yield* chosenTables(manifest, options.tables)
  const report = { backup: manifest.name, from, database: target, dryRun: options.dryRun, revokedLeases: 0, kept: null }
  if (options.dryRun) return { ...report, rows: rowsOf(manifest, tables), seconds: 0 }

  const into: DatabaseRef = { server: "source", name: target }
  const [rows, seconds] = yield* restoreDatabase(chosen, into, { tables, withRoles: options.withRoles })
  // Single tables are for looking at: no worker will ever ask there.
  const revokedLeases = tables.length > 0 ? 0 : yield* Effect.withSpan(databases.revokeLeases(into), "restore.leases")
  yield* Effect.logInfo("restored", { ...report, rows, seconds, revokedLeases })
  if (!options.swap) return { ...report, rows, seconds, revokedLeases }

  const kept = `${live}_before_${now}`
  yield* databases.swap({ live, replacement: target, keepAs: kept })
  yield* Effect.logInfo("swapped", { live, kept })
  return { ...report, database: live, rows, seconds, revokedLeases, kept }
})
