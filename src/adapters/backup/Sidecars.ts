/** What the names of files and the manifests beside them say of the backups in a place. */
import { Effect, Option, Schema } from "effect"
import { BackupName, manifestName } from "../../domain/backups/BackupName.ts"
import { ManifestText } from "../../domain/backups/Manifest.ts"
import type { StoredBackup } from "../../domain/ports/BackupStore.ts"

const isName = Schema.is(BackupName)
const decode = Schema.decodeEffect(ManifestText)

const describe = Effect.fnUntraced(function* (name: BackupName, hasFile: boolean, text: string | undefined) {
  if (text === undefined) return { _tag: "Unknown", name, problem: "it has no manifest" } satisfies StoredBackup
  const manifest = yield* Effect.option(decode(text))
  if (Option.isNone(manifest) || manifest.value.name !== name) {
    return { _tag: "Unknown", name, problem: "its manifest cannot be read" } satisfies StoredBackup
  }
  return { _tag: hasFile ? "Backup" : "Lost", name, manifest: manifest.value } satisfies StoredBackup
})

/** Newest first. `read` gives the text of a manifest, or nothing. */
export const describeAll = <E>(
  files: ReadonlyArray<string>,
  read: (sidecar: string) => Effect.Effect<string | undefined, E>
) => {
  const there = new Set(files)
  const named = [...there].map((file) => file.replace(/\.json$/, "")).filter(isName)
  const names = [...new Set(named)].toSorted().toReversed()
  return Effect.forEach(
    names,
    (name) => Effect.flatMap(read(manifestName(name)), (text) => describe(name, there.has(name), text)),
    { concurrency: 8 }
  )
}
