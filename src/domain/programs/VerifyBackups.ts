/** Looks again at backups that were good: disks rot. */
import { Clock, Effect } from "effect"
import { type BackupName, wrappingOf } from "../backups/BackupName.ts"
import { BackupRefused } from "../backups/Refusal.ts"
import { type CheckResult, failureOf, levelReached } from "../backups/Verification.ts"
import type { BackupSession } from "../ports/BackupDatabase.ts"
import { BackupStore, type StoredBackup } from "../ports/BackupStore.ts"
import { dropLeftovers } from "./ScratchDatabase.ts"
import { verifyArchive } from "./VerifyArchive.ts"

export interface Verified {
  readonly name: BackupName
  readonly level: number
  readonly problem: string | null
  readonly checks: ReadonlyArray<CheckResult>
}

/** Which of the stored ones are looked at. */
export type Selection = "all" | "newest" | BackupName

const select = (stored: ReadonlyArray<StoredBackup>, selection: Selection): ReadonlyArray<StoredBackup> => {
  if (selection === "all") return stored
  if (selection === "newest") return stored.filter((backup) => backup._tag === "Backup").slice(0, 1)
  return stored.filter((backup) => backup.name === selection)
}

const verifyOne = Effect.fn("verifyBackup")(function* (
  backup: StoredBackup,
  options: { readonly upTo: number; readonly key: string }
): Effect.fn.Return<
  Verified,
  Effect.Error<ReturnType<typeof verifyArchive>>,
  Effect.Services<ReturnType<typeof verifyArchive>> | BackupStore
> {
  const store = yield* BackupStore
  const { name } = backup
  if (backup._tag === "Unknown") return { name, level: 0, problem: backup.problem, checks: [] }
  if (backup._tag === "Lost") return { name, level: 0, problem: "its file is gone", checks: [] }
  const { manifest } = backup
  const checks = yield* verifyArchive(
    { read: store.read(name), digest: store.digest(name), wrapping: wrappingOf(name) },
    manifest,
    options
  )
  const failure = failureOf(checks)
  const now = new Date(yield* Clock.currentTimeMillis)
  if (failure === undefined) {
    yield* store.rewriteManifest({ ...manifest, lastVerifiedAt: now })
    return { name, level: levelReached(checks), problem: null, checks }
  }
  const problem = `${failure.check}: ${failure.problem}`
  yield* Effect.logError("a backup is damaged", { name, problem })
  yield* store.rewriteManifest({ ...manifest, rejection: { at: now, problem } })
  return { name, level: levelReached(checks), problem, checks }
})

/** A damaged one is marked, so that it no longer counts; the next pruning removes it. */
export const verifyBackups = Effect.fn("verifyBackups")(function* (
  session: BackupSession,
  options: { readonly selection: Selection; readonly upTo: number }
) {
  const store = yield* BackupStore
  const chosen = select(yield* store.list, options.selection)
  if (chosen.length === 0) {
    return yield* new BackupRefused({
      problem:
        options.selection === "all" || options.selection === "newest"
          ? "There is no backup in BACKUP_PATH"
          : `There is no backup ${options.selection} in BACKUP_PATH; see the list command`
    })
  }
  if (options.upTo >= 4) yield* dropLeftovers(session.facts.key)
  const verified = yield* Effect.forEach(chosen, (backup) =>
    verifyOne(backup, { upTo: options.upTo, key: session.facts.key })
  )
  const failures = verified.filter(({ problem }) => problem !== null).length
  if (failures > 0) {
    const status = yield* store.status
    yield* store.writeStatus({ ...status, reverifyFailures: status.reverifyFailures + failures })
  }
  return verified
})
