/** The backups of both places as one list, and how one of them is read. */
import type { Stream } from "effect"
import { Effect } from "effect"
import { type BackupName, packingOf } from "../backups/BackupName.ts"
import type { Manifest } from "../backups/Manifest.ts"
import { BackupRefused } from "../backups/Refusal.ts"
import { BackupCipher, type KeyMissing } from "../ports/BackupCipher.ts"
import { BackupCopies, type CopyProblem } from "../ports/BackupCopies.ts"
import { BackupStore, type BackupStoreProblem, type Shelf, type StoredBackup } from "../ports/BackupStore.ts"
import type { ArchiveRefused } from "../ports/BackupTool.ts"

export type Place = "folder" | "copy"

export type ShelfProblem = BackupStoreProblem | CopyProblem

export interface Found {
  readonly place: Place
  readonly backup: StoredBackup
  readonly shelf: Shelf<ShelfProblem>
}

export const isGood = (backup: StoredBackup): backup is StoredBackup & { readonly _tag: "Backup" } =>
  backup._tag === "Backup" && backup.manifest.rejection === null

const inFolder = Effect.gen(function* () {
  const shelf = yield* BackupStore
  return (yield* shelf.list).map((backup): Found => ({ place: "folder", backup, shelf }))
})

const copies = Effect.gen(function* () {
  const { shelf } = yield* BackupCopies
  if (shelf === undefined) return yield* new BackupRefused({ problem: "There are no copies: set BACKUP_S3_BUCKET" })
  return (yield* shelf.list).map((backup): Found => ({ place: "copy", backup, shelf }))
})

/** A storage far away that does not answer must not keep anybody from what lies here. */
const copiesIfThere = Effect.gen(function* () {
  const { shelf } = yield* BackupCopies
  if (shelf === undefined) return []
  return yield* copies.pipe(
    Effect.catch((error) =>
      Effect.as(Effect.logWarning("the copies are left out", { problem: error.message }), [] as ReadonlyArray<Found>)
    )
  )
})

/** Newest first. Of one that is in both places, the better one, and what lies in the folder where they are alike. */
const merge = (here: ReadonlyArray<Found>, there: ReadonlyArray<Found>): ReadonlyArray<Found> => {
  const best = new Map(here.map((found) => [found.backup.name, found]))
  for (const found of there) {
    const other = best.get(found.backup.name)
    if (other === undefined || (isGood(found.backup) && !isGood(other.backup))) best.set(found.backup.name, found)
  }
  return [...best.values()].toSorted((a, b) => (a.backup.name < b.backup.name ? 1 : -1))
}

/** Those of one place, or of both. */
export const catalogue = Effect.fn("catalogue")(function* (from?: Place) {
  if (from === "folder") return yield* inFolder
  if (from === "copy") return yield* copies
  return merge(yield* inFolder, yield* copiesIfThere)
})

/** Each backup once, with the places where a good one of it lies. */
export const allBackups = Effect.gen(function* () {
  const [here, there] = [yield* inFolder, yield* copiesIfThere]
  const good = [...here, ...there].filter(({ backup }) => isGood(backup))
  return merge(here, there).map(({ backup }) => ({
    backup,
    places: good.filter((found) => found.backup.name === backup.name).map(({ place }) => place)
  }))
}).pipe(Effect.withSpan("allBackups"))

export interface Chosen {
  readonly manifest: Manifest
  readonly place: Place
  readonly shelf: Shelf<ShelfProblem>
}

const refuse = (problem: string) => new BackupRefused({ problem })

/** The backup of that name, if it is one to rely on. */
export const chooseBackup = Effect.fnUntraced(function* (wanted: BackupName | "newest", from?: Place) {
  const found = (yield* catalogue(from)).find(({ backup }) =>
    wanted === "newest" ? isGood(backup) : backup.name === wanted
  )
  if (found === undefined) {
    return yield* refuse(
      wanted === "newest"
        ? `There is no good backup in ${from === "copy" ? "BACKUP_S3_BUCKET" : "BACKUP_PATH"}`
        : `There is no backup ${wanted}; see the list command`
    )
  }
  const { backup, place, shelf } = found
  if (backup._tag === "Unknown") return yield* refuse(`${backup.name} cannot be trusted: ${backup.problem}`)
  if (backup._tag === "Lost") return yield* refuse(`The file of ${backup.name} is gone; only its manifest is left`)
  const { manifest } = backup
  if (manifest.rejection !== null) {
    return yield* refuse(`${backup.name} was found damaged: ${manifest.rejection.problem}`)
  }
  return { manifest, place, shelf } satisfies Chosen
})

type Plain = Stream.Stream<Uint8Array, ShelfProblem | ArchiveRefused | KeyMissing>

/** Its archive as pg_dump made it; undefined where it is encrypted and there is no key at all. */
export const plainBytes = Effect.fnUntraced(function* (shelf: Shelf<ShelfProblem>, name: BackupName) {
  const cipher = yield* BackupCipher
  const bytes: Plain = shelf.read(name)
  if (!packingOf(name).encrypted) return bytes
  return cipher.mayDecrypt ? (cipher.decrypt(bytes) as Plain) : undefined
})

/** The same for who can do nothing without it. */
export const readableBytes = Effect.fnUntraced(function* ({ manifest, shelf }: Chosen) {
  const bytes = yield* plainBytes(shelf, manifest.name)
  if (bytes !== undefined) return bytes
  return yield* refuse(
    `${manifest.name} is encrypted for ${(manifest.encryptedFor ?? []).join(", ")}: ` +
      "set BACKUP_AGE_IDENTITY_FILE to the file that holds one of their secret keys"
  )
})
