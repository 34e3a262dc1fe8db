/** A worker: a process on some machine that claims tasks, known by its key. */
import { Schema } from "effect"
import { JobId, WorkerId } from "../ids.ts"

export const WorkerStatus = Schema.Literals(["active", "idle", "busy", "offline", "disabled"])
export type WorkerStatus = typeof WorkerStatus.Type

export const Worker = Schema.Struct({
  id: WorkerId,
  /** In the order of registration. */
  number: Schema.Int,
  type: Schema.Literals(["local", "remote"]),
  name: Schema.String,
  status: WorkerStatus,
  registeredAt: Schema.Date,
  lastHeartbeat: Schema.NullOr(Schema.Date),
  currentJob: Schema.NullOr(JobId),
  currentSlug: Schema.NullOr(Schema.String),
  capabilities: Schema.Unknown,
  metadata: Schema.Unknown
})
export interface Worker extends Schema.Schema.Type<typeof Worker> {}
