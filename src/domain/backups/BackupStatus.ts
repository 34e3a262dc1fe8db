/** What happened last, kept beside the backups: for alerts, and for whoever comes in the morning. */
import { Effect, Schema } from "effect"
import { BackupName } from "./BackupName.ts"
import { Level } from "./Verification.ts"

const Success = Schema.Struct({
  at: Schema.DateFromString,
  name: BackupName,
  level: Level,
  bytes: Schema.Int,
  seconds: Schema.Struct({ dump: Schema.Finite, verification: Schema.Finite })
})

/** `at`: the moment whose data the newest good copy holds. */
const Copy = Schema.Struct({ at: Schema.DateFromString, name: BackupName })

const Failure = Schema.Struct({ at: Schema.DateFromString, command: Schema.String, problem: Schema.String })

/** The newest backup was restored on a server of its own. */
export const DrillReport = Schema.Struct({
  at: Schema.DateFromString,
  name: BackupName,
  from: Schema.optionalKey(Schema.Literals(["folder", "copy"])),
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
  lastCopy: Schema.NullOr(Copy).pipe(Schema.withDecodingDefaultKey(Effect.succeed(null))),
  /** Backups that were good once and are not any more. */
  reverifyFailures: Schema.Int
})
export interface BackupStatus extends Schema.Schema.Type<typeof BackupStatus> {}

export const emptyStatus: BackupStatus = {
  lastSuccess: null,
  lastFailure: null,
  lastDrill: null,
  lastCopy: null,
  reverifyFailures: 0
}

export const BackupStatusText = Schema.fromJsonString(BackupStatus)
