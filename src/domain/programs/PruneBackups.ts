/** Removes backups that are too old, and those that are no good. */
import { Clock, Effect } from "effect"
import { retention, type RetentionPolicy } from "../backups/Retention.ts"
import { BackupStore, type Shelf, type StoredBackup } from "../ports/BackupStore.ts"
import { isGood } from "./Catalogue.ts"

type Known = Exclude<StoredBackup, { readonly _tag: "Unknown" }>

/** Only for who holds the lock: what is being published looks unfinished. Says what went, or would. */
export const pruneShelf = Effect.fn("pruneBackups")(function* <E>(
  shelf: Shelf<E>,
  policy: RetentionPolicy,
  options: { readonly dryRun: boolean }
) {
  const stored = yield* shelf.list
  // Not ours to judge: files of other programs, and backups whose manifest cannot be read.
  for (const backup of stored) {
    if (backup._tag === "Unknown") {
      yield* Effect.logWarning("left alone, and not counted", { name: backup.name, problem: backup.problem })
    }
  }
  const history = stored
    .filter((backup): backup is Known => backup._tag !== "Unknown")
    .map((backup) => ({ name: backup.name, takenAt: backup.manifest.takenAt, good: isGood(backup) }))
  const { keep, remove } = retention(history, policy, new Date(yield* Clock.currentTimeMillis))
  for (const { backup, why } of remove) {
    if (!options.dryRun) yield* shelf.remove(backup.name)
    const text = options.dryRun ? "would remove a backup" : "removed a backup"
    yield* why === "failed"
      ? Effect.logWarning(text, { name: backup.name, why })
      : Effect.logInfo(text, { name: backup.name, why })
  }
  return {
    kept: keep.map(({ name }) => name),
    removed: remove.map(({ backup, why }) => ({ name: backup.name, why }))
  }
})

export const pruneBackups = (policy: RetentionPolicy, options: { readonly dryRun: boolean }) =>
  Effect.flatMap(BackupStore, (store) => pruneShelf(store, policy, options))
