/** Why the database of `npm start` cannot run. */
import { Schema } from "effect"

export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()("EmbeddedPostgresError", {
  reason: Schema.Literals([
    "UnsupportedPlatform",
    "NoSystemUser",
    "FolderUnusable",
    "AlreadyRunning",
    "PortBusy",
    "InitFailed",
    "StartFailed",
    "WrongPassword",
    "Stopped"
  ]),
  /** What happened and what to do, for the operator. */
  description: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.description
  }
}
