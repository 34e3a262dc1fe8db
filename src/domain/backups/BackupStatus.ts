/** What happened last, kept beside the backups: for alerts, and for whoever comes in the morning. */
import { Schema } from "effect"
import { BackupName } from "./BackupName.ts"
import { Level } from "./Verification.ts"

const Success = Schema.Struct({
  at: Schema.DateFromString,
  name: BackupName,
  level: Level,
  bytes: Schema.Int,
  seconds: Schema.Struct({ dump: Schema.Finite, verification: Schema.Finite })
})

const Failure = Schema.Struct({ at: Schema.DateFromString, command: Schema.String, problem: Schema.String })

/** The newest backup was restored on a server of its own. */
export const DrillReport = Schema.Struct({
  at: Schema.DateFromString,
  name: BackupName,
  /** Recovery time: from an empty server to a database whose rows were compared. */
  rtoSeconds: Schema.Finite,
  /** Recovery point: the age of the data at the start of the drill. */
  rpoSeconds: Schema.Finite,
  rows: Schema.Int,
  bytes: Schema.Int
})
export interface DrillReport extends Schema.Schema.Type<typeof DrillReport> {}

export const BackupStatus = Schema.Struct({
  lastSuccess: Schema.NullOr(Success),
  lastFailure: Schema.NullOr(Failure),
  lastDrill: Schema.NullOr(DrillReport),
  /** Backups that were good once and are not any more. */
  reverifyFailures: Schema.Int
})
export interface BackupStatus extends Schema.Schema.Type<typeof BackupStatus> {}

export const emptyStatus: BackupStatus = { lastSuccess: null, lastFailure: null, lastDrill: null, reverifyFailures: 0 }

export const BackupStatusText = Schema.fromJsonString(BackupStatus)
