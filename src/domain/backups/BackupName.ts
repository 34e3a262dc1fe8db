/** What a backup is called: `vlog-2025-12-27-020000.dump`, after the moment in UTC whose data it holds. */
import { Schema } from "effect"

const pattern = /^vlog-\d{4}-\d\d-\d\d-\d{6}\.dump(\.zst)?(\.age)?$/

export const BackupName = Schema.String.pipe(
  Schema.check(Schema.isPattern(pattern, { expected: "a name like vlog-2025-12-27-020000.dump" })),
  Schema.brand("BackupName")
)
export type BackupName = typeof BackupName.Type

/** `none`: pg_dump compresses inside the archive, or nobody does. `zstd`: the whole archive is compressed. */
export const Wrapping = Schema.Literals(["none", "zstd"])
export type Wrapping = typeof Wrapping.Type

export interface Packing {
  readonly wrapping: Wrapping
  /** Around everything else. */
  readonly encrypted: boolean
}

export const backupName = (time: Date, { encrypted, wrapping }: Packing): BackupName => {
  const [date, clock] = time.toISOString().slice(0, 19).split("T") as [string, string]
  const endings = [wrapping === "zstd" ? ".zst" : "", encrypted ? ".age" : ""]
  return BackupName.make(`vlog-${date}-${clock.replaceAll(":", "")}.dump${endings.join("")}`)
}

export const packingOf = (name: BackupName): Packing => ({
  wrapping: /\.zst(\.age)?$/.test(name) ? "zstd" : "none",
  encrypted: name.endsWith(".age")
})

/** The same for all ways of packing the data of one moment. */
export const stemOf = (name: BackupName): string => name.slice(0, name.indexOf(".dump"))

/** Lies beside the backup. A backup without one is treated as not there. */
export const manifestName = (name: BackupName): string => `${name}.json`
