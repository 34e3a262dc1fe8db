/** From a running database to a backup that was proved restorable. Nothing has its final name before that. */
import { Clock, Effect } from "effect"
import { type BackupName, backupName, type Packing, stemOf, type Wrapping } from "../backups/BackupName.ts"
import { majorOf } from "../backups/ClientVersion.ts"
import type { Manifest } from "../backups/Manifest.ts"
import { BackupRefused, VerificationFailed } from "../backups/Refusal.ts"
import { failureOf, levelReached } from "../backups/Verification.ts"
import { BackupCipher, type Seal } from "../ports/BackupCipher.ts"
import type { BackupSession, ServerFacts } from "../ports/BackupDatabase.ts"
import { BackupStore, BackupStoreProblem, type PartialBackup, type StoredBackup } from "../ports/BackupStore.ts"
import { BackupTool } from "../ports/BackupTool.ts"
import { dropLeftovers } from "./ScratchDatabase.ts"
import { timed } from "./timed.ts"
import { verifyArchive } from "./VerifyArchive.ts"

export interface CreateOptions {
  readonly wrapping: Wrapping
  readonly compression: number
  /** The highest level of verification that is tried. */
  readonly level: number
}

/** Two dumps may lie side by side for a moment, and the next one may be larger than the last. */
const roomFactor = 1.5

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1)

/** Of a size that changed by more than half somebody should know. */
const unusualChange = 0.5

const newest = (stored: ReadonlyArray<StoredBackup>): Manifest | undefined =>
  stored.flatMap((backup) =>
    backup._tag === "Backup" && backup.manifest.rejection === null ? [backup.manifest] : []
  )[0]

/** A client older than the server would stop half-way, or leave something out. */
const checkVersions = Effect.fnUntraced(function* (facts: ServerFacts, toolVersion: string) {
  const client = majorOf(toolVersion)
  const server = majorOf(facts.version)
  if (client !== undefined && server !== undefined && client >= server) return
  return yield* new BackupRefused({
    problem:
      `pg_dump is of version ${client ?? toolVersion} and the server of version ${server ?? facts.version}: ` +
      `install PostgreSQL's client tools of version ${server ?? "the server"} or later`
  })
})

const checkRoom = Effect.fnUntraced(function* (last: Manifest | undefined) {
  const store = yield* BackupStore
  const free = yield* store.freeBytes
  const wanted = Math.ceil((last?.bytes ?? 0) * roomFactor)
  if (free >= wanted && free > 0) return
  return yield* new BackupStoreProblem({
    reason: "tight",
    path: "BACKUP_PATH",
    problem:
      `${megabytes(free)} MB are free in BACKUP_PATH, and ${megabytes(wanted)} MB are wanted, ` +
      `${roomFactor} times the last backup`
  })
})

const noteSize = (manifest: Manifest, last: Manifest | undefined) =>
  last !== undefined && Math.abs(manifest.bytes - last.bytes) > last.bytes * unusualChange
    ? Effect.logWarning("the size of the backup changed a lot", { before: last.bytes, now: manifest.bytes })
    : Effect.void

/** The dump and the fingerprint look at the same moment, at the same time. */
const dump = Effect.fn("backup.dump")(function* (
  session: BackupSession,
  partial: PartialBackup,
  seal: Seal | undefined,
  options: CreateOptions
) {
  const tool = yield* BackupTool
  const snapshot = yield* session.snapshot
  const archive = tool.dump({ ...options, snapshot: snapshot.id })
  const [[digest, seconds], fingerprint] = yield* Effect.all(
    [
      timed(partial.write(seal === undefined ? archive : seal.encrypt(archive))),
      Effect.withSpan(snapshot.fingerprint, "backup.fingerprint")
    ],
    { concurrency: 2 }
  )
  return { snapshot, digest, fingerprint, seconds }
}, Effect.scoped)

/** The first free name at or after the moment: two backups in one second are two backups. */
const freeName = (time: Date, packing: Packing, stored: ReadonlyArray<StoredBackup>): BackupName => {
  const taken = new Set(stored.map(({ name }) => stemOf(name)))
  const name = backupName(time, packing)
  return taken.has(stemOf(name)) ? freeName(new Date(time.getTime() + 1000), packing, stored) : name
}

/** `session` holds the lock. The backup is there when this succeeds, and only then. */
export const createBackup = Effect.fn("createBackup")(function* (session: BackupSession, options: CreateOptions) {
  const store = yield* BackupStore
  const tool = yield* BackupTool
  const { facts } = session
  const toolVersion = yield* tool.version
  yield* checkVersions(facts, toolVersion)
  const abandoned = yield* store.removePartials(facts.key)
  if (abandoned.length > 0) yield* Effect.logWarning("removed what a killed run had left", { files: abandoned })
  const stored = yield* store.list
  const last = newest(stored)
  yield* checkRoom(last)
  if (options.level >= 4) yield* dropLeftovers(facts.key)

  const partial = yield* store.begin(facts.key)
  const { recipients, seal: newSeal } = yield* BackupCipher
  const seal = recipients.length === 0 ? undefined : yield* newSeal
  const { snapshot, digest, fingerprint, seconds } = yield* dump(session, partial, seal, options)
  const name = freeName(snapshot.takenAt, { ...options, encrypted: seal !== undefined }, stored)
  yield* Effect.logInfo("dumped", { name, bytes: digest.bytes, seconds })

  const [checks, verification] = yield* timed(
    verifyArchive(
      {
        read: seal === undefined ? partial.read : seal.decrypt(partial.read),
        digest: partial.digest,
        wrapping: options.wrapping
      },
      { ...digest, fingerprint },
      { upTo: options.level, key: facts.key }
    )
  )
  const failure = failureOf(checks)
  if (failure !== undefined) {
    yield* Effect.logError("the backup is corrupt and was removed", { name, ...failure })
    return yield* new VerificationFailed({ backup: name, problem: `${failure.check}: ${failure.problem}` })
  }
  // Somebody else may have begun in the meantime, and taken our unfinished file for an abandoned one.
  yield* session.stillHeld

  const manifest: Manifest = {
    format: 1,
    name,
    takenAt: snapshot.takenAt,
    database: facts.database,
    serverVersion: facts.version,
    toolVersion,
    lsn: snapshot.lsn,
    ...digest,
    ...(seal === undefined ? {} : { encryptedFor: recipients }),
    fingerprint,
    level: levelReached(checks),
    checks,
    seconds: { dump: seconds, verification },
    lastVerifiedAt: new Date(yield* Clock.currentTimeMillis),
    rejection: null
  }
  yield* Effect.withSpan(partial.publish(manifest), "backup.publish")
  yield* noteSize(manifest, last)
  yield* Effect.logInfo("backed up", { name, level: manifest.level, bytes: manifest.bytes, verification })
  return manifest
}, Effect.scoped)
