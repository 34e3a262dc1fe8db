/** Why a backup command ended without doing what it was asked. */
import { Schema } from "effect"

/** Refused before anything was touched. */
export class BackupRefused extends Schema.TaggedError<BackupRefused>()("BackupRefused", { problem: Schema.String }) {
  override get message() {
    return this.problem
  }
}

/** The backup is not what it should be. */
export class VerificationFailed extends Schema.TaggedError<VerificationFailed>()("VerificationFailed", {
  backup: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `${this.backup} did not pass verification: ${this.problem}`
  }
}
