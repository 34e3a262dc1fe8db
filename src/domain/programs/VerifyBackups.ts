/** Looks again at backups that were good: disks rot. */
import { Clock, Effect } from "effect"
import { type BackupName, packingOf } from "../backups/BackupName.ts"
import { BackupRefused } from "../backups/Refusal.ts"
import { type CheckResult, failureOf, isElsewhere, levelReached } from "../backups/Verification.ts"
import type { BackupSession } from "../ports/BackupDatabase.ts"
import type { BackupCipher } from "../ports/BackupCipher.ts"
import { BackupStore } from "../ports/BackupStore.ts"
import { catalogue, type Found, type Place, plainBytes, type ShelfProblem } from "./Catalogue.ts"
import { dropLeftovers } from "./ScratchDatabase.ts"
import { verifyArchive } from "./VerifyArchive.ts"

export interface Verified {
  readonly name: BackupName
  readonly level: number
  /** What is wrong with it. */
  readonly problem: string | null
  /** Why nobody could look inside, where that is no fault of the backup's. */
  readonly unread: string | null
  readonly checks: ReadonlyArray<CheckResult>
}

/** Which of the stored ones are looked at. */
export type Selection = "all" | "newest" | BackupName

const select = (all: ReadonlyArray<Found>, selection: Selection): ReadonlyArray<Found> => {
  if (selection === "all") return all
  if (selection === "newest") return all.filter(({ backup }) => backup._tag === "Backup").slice(0, 1)
  return all.filter(({ backup }) => backup.name === selection)
}

const advice =
  " (the same bytes passed before, so the backup still counts: look at the server that BACKUP_SCRATCH names, its memory and its disk)"

const verifyOne = Effect.fn("verifyBackup")(function* (
  { backup, shelf }: Found,
  options: { readonly upTo: number; readonly key: string }
): Effect.fn.Return<
  Verified,
  Effect.Error<ReturnType<typeof verifyArchive>> | ShelfProblem,
  Effect.Services<ReturnType<typeof verifyArchive>> | BackupCipher
> {
  const { name } = backup
  if (backup._tag === "Unknown") return { name, level: 0, problem: backup.problem, unread: null, checks: [] }
  if (backup._tag === "Lost") return { name, level: 0, problem: "its file is gone", unread: null, checks: [] }
  const { manifest } = backup
  const checks = yield* verifyArchive(
    { read: yield* plainBytes(shelf, name), digest: shelf.digest(name), wrapping: packingOf(name).wrapping },
    manifest,
    options
  )
  const failure = failureOf(checks)
  const now = new Date(yield* Clock.currentTimeMillis)
  if (failure === undefined) {
    const level = levelReached(checks)
    // Looking less closely than before takes nothing away.
    yield* shelf.writeManifest({ ...manifest, ...(level > manifest.level && { level, checks }), lastVerifiedAt: now })
    const unread = checks.find(({ check, outcome }) => check === "contents" && outcome === "skipped")?.problem ?? null
    return { name, level, problem: null, unread, checks }
  }
  const elsewhere = isElsewhere(failure, checks, manifest.checks)
  const problem = `${failure.check}: ${failure.problem}${elsewhere ? advice : ""}`
  yield* Effect.logError(elsewhere ? "a backup could not be tried" : "a backup is damaged", { name, problem })
  if (!elsewhere) yield* shelf.writeManifest({ ...manifest, rejection: { at: now, problem } })
  return { name, level: levelReached(checks), problem, unread: null, checks }
})

/** A damaged one is marked, so that it no longer counts; the next pruning removes it. */
export const verifyBackups = Effect.fn("verifyBackups")(function* (
  session: BackupSession,
  options: { readonly selection: Selection; readonly upTo: number; readonly from?: Place | undefined }
) {
  const store = yield* BackupStore
  const { selection } = options
  // Reading all copies costs time and perhaps money: only who asks for that gets it.
  const from = options.from ?? (selection === "all" || selection === "newest" ? "folder" : undefined)
  const chosen = select(yield* catalogue(from), selection)
  if (chosen.length === 0) {
    return yield* new BackupRefused({
      problem:
        selection === "all" || selection === "newest"
          ? `There is no backup in ${from === "copy" ? "BACKUP_S3_BUCKET" : "BACKUP_PATH"}`
          : `There is no backup ${selection}; see the list command`
    })
  }
  if (options.upTo >= 4) yield* dropLeftovers(session.facts.key)
  const verified = yield* Effect.forEach(chosen, (found) =>
    verifyOne(found, { upTo: options.upTo, key: session.facts.key })
  )
  const failures = verified.filter(({ problem }) => problem !== null).length
  if (failures > 0) {
    const status = yield* store.status
    yield* store.writeStatus({ ...status, reverifyFailures: status.reverifyFailures + failures })
  }
  return verified
})
