/** Attempts that are over, for whoever tells of them. */
import type { Effect } from "effect"
import { Context, Schema } from "effect"
import { JobId, LeaseId, TaskId, VideoId } from "../ids.ts"
import { AttemptOutcome } from "../jobs/Attempt.ts"
import { TaskKind } from "../jobs/Task.ts"
import { TraceContext } from "../telemetry/TraceContext.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

export const EndedAttempt = Schema.Struct({
  leaseId: LeaseId,
  /** Of the same task, before this one. */
  previous: Schema.NullOr(LeaseId),
  attempt: Schema.Int,
  taskId: TaskId,
  kind: TaskKind,
  jobId: JobId,
  videoId: VideoId,
  worker: Schema.NullOr(Schema.String),
  claimableAt: Schema.NullOr(Schema.Date),
  claimedAt: Schema.Date,
  endedAt: Schema.Date,
  outcome: AttemptOutcome,
  error: Schema.NullOr(Schema.String),
  /** The end of what ffmpeg said. */
  stderr: Schema.NullOr(Schema.String),
  trace: TraceContext
})
export interface EndedAttempt extends Schema.Schema.Type<typeof EndedAttempt> {}

export class AttemptJournal extends Context.Service<
  AttemptJournal,
  {
    /** Those of traced jobs that ended of late and were not taken before, by anybody; a few at a time. */
    readonly take: Effect.Effect<ReadonlyArray<EndedAttempt>, StoreUnavailable>
  }
>()("vlog/domain/ports/AttemptJournal") {}
