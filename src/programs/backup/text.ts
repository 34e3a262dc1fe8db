/** What the backup commands print for a person. */
import type { BackupStatus, DrillReport } from "../../domain/backups/BackupStatus.ts"
import { type CheckResult, highestLevel, verifiedLevel } from "../../domain/backups/Verification.ts"
import { type Effect, Result } from "effect"
import type { StoredBackup } from "../../domain/ports/BackupStore.ts"
import type { Place } from "../../domain/programs/Catalogue.ts"
import type { RestoreReport } from "../../domain/programs/RestoreBackup.ts"
import type { runBackup } from "../../domain/programs/RunBackup.ts"
import type { Verified } from "../../domain/programs/VerifyBackups.ts"
import { ageText, bytesText } from "../output/quantities.ts"
import { table } from "../output/table.ts"

const stateText = (backup: StoredBackup): string => {
  if (backup._tag === "Unknown") return backup.problem
  if (backup._tag === "Lost") return "its file is gone"
  const { level, rejection } = backup.manifest
  if (rejection !== null) return `damaged: ${rejection.problem}`
  return level >= verifiedLevel ? "verified" : "only partly verified"
}

interface Listed {
  readonly backup: StoredBackup
  readonly places: ReadonlyArray<Place>
}

const row = ({ backup, places }: Listed, now: number): ReadonlyArray<string> => {
  const where = places.length === 0 ? "-" : places.join(", ")
  if (backup._tag === "Unknown") return [backup.name, "-", "-", "-", "-", where, stateText(backup)]
  const { bytes, level, seconds, takenAt } = backup.manifest
  return [
    backup.name,
    `${level} of ${highestLevel}`,
    bytesText(bytes),
    ageText(now - takenAt.getTime()),
    `${Math.round(seconds.dump + seconds.verification)} s`,
    where,
    stateText(backup)
  ]
}

export const listText = (stored: ReadonlyArray<Listed>, status: BackupStatus, now: number): string => {
  const { lastFailure, lastDrill } = status
  return [
    stored.length === 0
      ? "There is no backup."
      : table([
          ["BACKUP", "LEVEL", "SIZE", "AGE", "DURATION", "WHERE", "STATE"],
          ...stored.map((listed) => row(listed, now))
        ]),
    ...(lastFailure === null
      ? []
      : [`Last failure: ${lastFailure.command} at ${lastFailure.at.toISOString()}: ${lastFailure.problem}`]),
    ...(lastDrill === null ? [] : [drillText(lastDrill)])
  ].join("\n")
}

export const drillText = ({ at, bytes, name, rows, rpoSeconds, rtoSeconds }: DrillReport): string =>
  `Drill at ${at.toISOString()}: ${name} (${bytesText(bytes)}, ${rows} rows) was restored in ${rtoSeconds} s (RTO); ` +
  `its data was ${ageText(rpoSeconds * 1000)} old (RPO)`

/** Why a level was not tried. */
const skippedText = (checks: ReadonlyArray<CheckResult>): string =>
  checks
    .filter(({ outcome }) => outcome === "skipped")
    .map(({ check, problem }) => `; ${check} skipped: ${problem}`)
    .join("")

const resultText = ({ checks, problem, unread }: Verified): string => {
  if (problem !== null) return problem
  return unread === null ? `passed${skippedText(checks)}` : `its bytes are those that were verified; ${unread}`
}

export const verifiedText = (verified: ReadonlyArray<Verified>): string =>
  table([
    ["BACKUP", "LEVEL", "RESULT"],
    ...verified.map((one) => [one.name, one.unread === null ? `${one.level} of ${highestLevel}` : "-", resultText(one)])
  ])

interface Removal {
  readonly name: string
  readonly why: string
}

const removalText = (verb: string, removed: ReadonlyArray<Removal>): ReadonlyArray<string> =>
  removed.map(({ name, why }) => `${verb} ${name}: ${why}`)

export const prunedText = (
  { kept, removed }: { readonly kept: ReadonlyArray<string>; readonly removed: ReadonlyArray<Removal> },
  { dryRun }: { readonly dryRun: boolean }
): string =>
  [
    ...removalText(dryRun ? "Would remove" : "Removed", removed),
    `${kept.length} kept, ${removed.length} ${dryRun ? "to remove" : "removed"}`
  ].join("\n")

export const createdText = ({ copies, manifest, removed }: Effect.Success<ReturnType<typeof runBackup>>): string => {
  const { bytes, checks, level, name, seconds } = manifest
  const report = Result.getOrElse(copies, () => null)
  return [
    `${name}: ${bytesText(bytes)}, dumped in ${seconds.dump} s, verified in ${seconds.verification} s to level ${level} of ${highestLevel}${skippedText(checks)}`,
    ...removalText("Removed", removed),
    ...(report === null ? [] : report.copied.map((copied) => `Copied ${copied} to ${report.place}`)),
    ...(report === null ? [] : removalText(`Removed from ${report.place}`, report.removed))
  ].join("\n")
}

export const restoreText = (report: RestoreReport): string => {
  const { backup, database, dryRun, from, kept, revokedLeases, rows, seconds } = report
  if (dryRun) {
    return `Would restore ${rows} rows of ${backup} from the ${from} into the new database ${database}. Nothing was changed.`
  }
  const revoked = revokedLeases === 0 ? "" : ` Leases of workers that were revoked: ${revokedLeases}.`
  const done = `${backup} is in the database ${database}: ${rows} rows, as in the source, after ${seconds} s.${revoked}`
  return kept === null
    ? `${done}\nThe live database is as it was.`
    : `${done}\nThe former live database is now ${kept} and lets nobody in. Drop it when you are sure: drop database "${kept}"`
}
