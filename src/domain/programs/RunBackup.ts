/** The nightly run: back up, and only then make room. Leaves word of how it went, whatever happens. */
import { Clock, Effect } from "effect"
import { verifiedLevel } from "../backups/Verification.ts"
import type { RetentionPolicy } from "../backups/Retention.ts"
import { BackupDatabase } from "../ports/BackupDatabase.ts"
import { BackupStore } from "../ports/BackupStore.ts"
import { copyBackups } from "./CopyBackups.ts"
import { createBackup, type CreateOptions } from "./CreateBackup.ts"
import { pruneBackups } from "./PruneBackups.ts"

/** Best effort: the disk may be what failed. */
export const noteFailure = (command: string) =>
  Effect.fnUntraced(function* (error: { readonly _tag: string; readonly message: string }) {
    if (error._tag === "BackupBusy") return
    const store = yield* BackupStore
    const at = new Date(yield* Clock.currentTimeMillis)
    const status = yield* store.status
    yield* store.writeStatus({ ...status, lastFailure: { at, command, problem: error.message } })
  }, Effect.ignore)

export const runBackup = Effect.fn("runBackup")(
  function* (options: CreateOptions, policies: { readonly folder: RetentionPolicy; readonly copies: RetentionPolicy }) {
    const databases = yield* BackupDatabase
    const store = yield* BackupStore
    const session = yield* databases.session
    const manifest = yield* createBackup(session, options)
    const { takenAt: at, name, level, bytes, seconds } = manifest
    yield* store.writeStatus({ ...(yield* store.status), lastSuccess: { at, name, level, bytes, seconds } })
    // One that was less well proved than it should be is no reason to give up another.
    const proved = level >= Math.min(options.level, verifiedLevel)
    const { removed } = proved
      ? yield* Effect.withSpan(pruneBackups(policies.folder, { dryRun: false }), "backup.retention")
      : { removed: [] }
    // Whether that works or not, the backup is there.
    const copies = yield* copyBackups(policies.copies).pipe(Effect.tapError(noteFailure("copy")), Effect.result)
    return { manifest, removed, copies }
  },
  Effect.scoped,
  Effect.tapError(noteFailure("create"))
)
