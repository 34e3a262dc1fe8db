/** What the exit code of a command means; those of sysexits.h where they fit. */
import { Effect, Runtime } from "effect"
import type { Expected } from "./Expected.ts"

const codes: Readonly<Record<string, number>> = {
  VerificationFailed: 65,
  ArchiveRefused: 65,
  AuditFailed: 65,
  NotPublished: 65,
  NotThere: 66,
  Unreachable: 69,
  DatabaseProblem: 69,
  StoreUnavailable: 69,
  DbError: 69,
  EmbeddedPostgresError: 69,
  BackupStoreProblem: 73,
  MediaStoreError: 73,
  CopyProblem: 74,
  BackupBusy: 75,
  Busy: 75,
  Denied: 77,
  AgeKeyInvalid: 78,
  BackupRefused: 78,
  KeyMissing: 78,
  SettingsInvalid: 78,
  ToolMissing: 78,
  MigrationError: 78
}

/** An expected error with an exit code of its own. */
class Failed {
  readonly _tag: string
  readonly message: string
  readonly [Runtime.errorExitCode]: number
  constructor(error: Expected) {
    this._tag = error._tag
    this.message = error.message
    this[Runtime.errorExitCode] = codes[error._tag] ?? 1
  }
}

export const withExitCodes = <A, E extends Expected, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(effect, (error): Expected => (error._tag in codes ? new Failed(error) : error))
