/** Puts backups where the fire that takes this place does not reach, and looks there whether they arrived. */
import { Clock, Effect } from "effect"
import type { Manifest } from "../backups/Manifest.ts"
import { BackupRefused, VerificationFailed } from "../backups/Refusal.ts"
import { retention, type RetentionPolicy } from "../backups/Retention.ts"
import { BackupCopies, CopyProblem, type CopyShelf } from "../ports/BackupCopies.ts"
import { BackupStore, type StoredBackup } from "../ports/BackupStore.ts"
import { isGood } from "./Catalogue.ts"
import { pruneShelf } from "./PruneBackups.ts"
import { timed } from "./timed.ts"

export interface CopyReport {
  readonly place: string
  readonly copied: ReadonlyArray<string>
  readonly removed: ReadonlyArray<{ readonly name: string; readonly why: string }>
}

const goodOnes = (stored: ReadonlyArray<StoredBackup>): ReadonlyArray<Manifest> =>
  stored.filter(isGood).map(({ manifest }) => manifest)

const asKnown = (manifest: Manifest) => ({ name: manifest.name, takenAt: manifest.takenAt, good: true })

/** What is missing there, apart from what would be removed there at once. */
const missing = Effect.fnUntraced(function* (
  here: ReadonlyArray<Manifest>,
  there: ReadonlyArray<Manifest>,
  policy: RetentionPolicy
) {
  const digests = new Map(there.map(({ name, sha256 }) => [name, sha256]))
  const other = here.find(({ name, sha256 }) => digests.has(name) && digests.get(name) !== sha256)
  if (other !== undefined) {
    return yield* new BackupRefused({
      problem: `Another backup is called ${other.name} in the bucket: give each database a BACKUP_S3_PREFIX of its own`
    })
  }
  const absent = here.filter(({ name }) => !digests.has(name))
  const now = new Date(yield* Clock.currentTimeMillis)
  const kept = new Set(retention([...there, ...absent].map(asKnown), policy, now).keep.map(({ name }) => name))
  return absent.filter(({ name }) => kept.has(name))
})

/** Which of the two places the other bytes come from. */
const blame = Effect.fnUntraced(function* (shelf: CopyShelf, { name, sha256 }: Manifest) {
  const store = yield* BackupStore
  const here = yield* store.digest(name)
  if (here.sha256 !== sha256) {
    return yield* new VerificationFailed({
      backup: name,
      problem: "the bytes in BACKUP_PATH are not those that were written, so they were not copied; run verify --all"
    })
  }
  return yield* new CopyProblem({
    reason: "damaged",
    place: shelf.place,
    problem: `the bytes of ${name} that were read back are not those that were sent`
  })
})

/** Read back as a whole: what the storage says of itself is not enough. */
const copyOne = Effect.fn("backup.copy")(function* (shelf: CopyShelf, manifest: Manifest) {
  const store = yield* BackupStore
  const { bytes, name, sha256 } = manifest
  yield* Effect.annotateCurrentSpan({ "backup.name": name, "backup.bytes": bytes, place: shelf.place })
  // Until it is proved it has a manifest that calls it no good: what a killed run leaves is known to the next one.
  const at = new Date(yield* Clock.currentTimeMillis)
  yield* shelf.writeManifest({ ...manifest, rejection: { at, problem: "it was not copied to the end" } })
  const [, seconds] = yield* timed(shelf.put(name, bytes, store.read(name)))
  const [found, readBack] = yield* timed(shelf.digest(name))
  if (found.bytes !== bytes || found.sha256 !== sha256) {
    yield* shelf.remove(name)
    return yield* blame(shelf, manifest)
  }
  yield* shelf.writeManifest(manifest)
  yield* Effect.logInfo("copied", { name, to: shelf.place, bytes, seconds, readBack })
})

/** Frees space only: not every storage can say what was broken off. */
const removeUnfinished = (shelf: CopyShelf) =>
  shelf.removeUnfinished.pipe(
    Effect.flatMap((count) =>
      count > 0 ? Effect.logWarning("removed what copies that were broken off had left", { count }) : Effect.void
    ),
    Effect.catch((error) => Effect.logWarning("unfinished copies were not looked for", { problem: error.message }))
  )

/** Only for who holds the lock. Those of earlier nights follow as well, the newest first; then the old ones go there. */
export const copyBackups = Effect.fn("copyBackups")(function* (policy: RetentionPolicy) {
  const store = yield* BackupStore
  const { shelf } = yield* BackupCopies
  if (shelf === undefined) return null
  yield* removeUnfinished(shelf)
  const here = goodOnes(yield* store.list)
  const wanted = yield* missing(here, goodOnes(yield* shelf.list), policy)
  for (const manifest of wanted) yield* copyOne(shelf, manifest)
  const [newest] = goodOnes(yield* shelf.list)
  if (newest !== undefined) {
    const { name, takenAt: at } = newest
    yield* store.writeStatus({ ...(yield* store.status), lastCopy: { at, name } })
  }
  const { removed } = yield* pruneShelf(shelf, policy, { dryRun: false })
  return { place: shelf.place, copied: wanted.map(({ name }) => name), removed } satisfies CopyReport
})
