/** What the backup commands print for a person. */
import type { BackupStatus, DrillReport } from "../../domain/backups/BackupStatus.ts"
import { highestLevel, verifiedLevel } from "../../domain/backups/Verification.ts"
import type { StoredBackup } from "../../domain/ports/BackupStore.ts"
import type { RestoreReport } from "../../domain/programs/RestoreBackup.ts"
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

const row = (backup: StoredBackup, now: number): ReadonlyArray<string> => {
  if (backup._tag === "Unknown") return [backup.name, "-", "-", "-", "-", stateText(backup)]
  const { bytes, level, seconds, takenAt } = backup.manifest
  return [
    backup.name,
    `${level} of ${highestLevel}`,
    bytesText(bytes),
    ageText(now - takenAt.getTime()),
    `${Math.round(seconds.dump + seconds.verification)} s`,
    stateText(backup)
  ]
}

export const listText = (stored: ReadonlyArray<StoredBackup>, status: BackupStatus, now: number): string => {
  const { lastFailure, lastDrill } = status
  return [
    stored.length === 0
      ? "There is no backup."
      : table([["BACKUP", "LEVEL", "SIZE", "AGE", "DURATION", "STATE"], ...stored.map((backup) => row(backup, now))]),
    ...(lastFailure === null
      ? []
      : [`Last failure: ${lastFailure.command} at ${lastFailure.at.toISOString()}: ${lastFailure.problem}`]),
    ...(lastDrill === null ? [] : [drillText(lastDrill)])
  ].join("\n")
}

export const drillText = ({ at, bytes, name, rows, rpoSeconds, rtoSeconds }: DrillReport): string =>
  `Drill at ${at.toISOString()}: ${name} (${bytesText(bytes)}, ${rows} rows) was restored in ${rtoSeconds} s (RTO); ` +
  `its data was ${ageText(rpoSeconds * 1000)} old (RPO)`

export const verifiedText = (verified: ReadonlyArray<Verified>): string =>
  table([
    ["BACKUP", "LEVEL", "RESULT"],
    ...verified.map(({ level, name, problem }) => [name, `${level} of ${highestLevel}`, problem ?? "passed"])
  ])

export const restoreText = (report: RestoreReport): string => {
  const { backup, database, dryRun, kept, revokedLeases, rows, seconds } = report
  if (dryRun) return `Would restore ${backup} into the new database ${database}. Nothing was changed.`
  const done = `${backup} is in the database ${database}: ${rows} rows, as in the source, after ${seconds} s. ${revokedLeases} leases were revoked.`
  return kept === null
    ? `${done}\nThe live database is as it was.`
    : `${done}\nThe former live database is now ${kept} and lets nobody in. Drop it when you are sure: drop database "${kept}"`
}
