/** What is known of a backup from the moment it was made. Lies beside it as JSON. */
import { Schema } from "effect"
import { Sha256 } from "../ids.ts"
import { BackupName } from "./BackupName.ts"
import { Fingerprint } from "./Fingerprint.ts"
import { CheckResult, Level } from "./Verification.ts"

/** A later verification that found the backup damaged. */
const Rejection = Schema.Struct({ at: Schema.DateFromString, problem: Schema.String })

export const Manifest = Schema.Struct({
  format: Schema.Literal(1),
  name: BackupName,
  /** By the clock of the database: the moment whose data the backup holds. */
  takenAt: Schema.DateFromString,
  database: Schema.String,
  serverVersion: Schema.String,
  toolVersion: Schema.String,
  /** The position in the write-ahead log at the snapshot. */
  lsn: Schema.String,
  bytes: Schema.Int,
  /** Of the bytes as they were written, before any disk had seen them. */
  sha256: Sha256,
  /** The public keys for which it was encrypted. */
  encryptedFor: Schema.optionalKey(Schema.Array(Schema.String)),
  fingerprint: Fingerprint,
  level: Level,
  checks: Schema.Array(CheckResult),
  seconds: Schema.Struct({ dump: Schema.Finite, verification: Schema.Finite }),
  lastVerifiedAt: Schema.DateFromString,
  rejection: Schema.NullOr(Rejection)
})
export interface Manifest extends Schema.Schema.Type<typeof Manifest> {}

export const ManifestText = Schema.fromJsonString(Manifest)
