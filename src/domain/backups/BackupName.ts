/** What a backup is called: `vlog-2025-12-27-020000.dump`, after the moment in UTC whose data it holds. */
import { Schema } from "effect"

const pattern = /^vlog-\d{4}-\d\d-\d\d-\d{6}\.dump(\.zst)?$/

export const BackupName = Schema.String.pipe(Schema.check(Schema.isPattern(pattern)), Schema.brand("BackupName"))
export type BackupName = typeof BackupName.Type

/** `none`: pg_dump compresses inside the archive, or nobody does. `zstd`: the whole archive is compressed. */
export const Wrapping = Schema.Literals(["none", "zstd"])
export type Wrapping = typeof Wrapping.Type

export const backupName = (time: Date, wrapping: Wrapping): BackupName => {
  const [date, clock] = time.toISOString().slice(0, 19).split("T") as [string, string]
  return BackupName.make(`vlog-${date}-${clock.replaceAll(":", "")}.dump${wrapping === "zstd" ? ".zst" : ""}`)
}

export const wrappingOf = (name: BackupName): Wrapping => (name.endsWith(".zst") ? "zstd" : "none")

/** Lies beside the backup. A backup without one is treated as not there. */
export const manifestName = (name: BackupName): string => `${name}.json`
