/** How an attempt of a worker ended: for the API that is told of it, and for those who count. */
import { Cause, Exit, Option } from "effect"
import type { OutputIncomplete } from "../jobs/Completion.ts"
import type { FailureReason } from "../jobs/FailureReason.ts"
import type { SourceRejected } from "../media/Source.ts"
import type { ProbeUnavailable } from "../ports/MediaProbe.ts"
import type { TranscodeFailed } from "../ports/Transcoder.ts"
import type { ApiError } from "../ports/WorkerApi.ts"
import type { WorkspaceError } from "../ports/Workspace.ts"
import type { Ending } from "../workers/Metrics.ts"

export type AttemptError =
  | SourceRejected
  | ProbeUnavailable
  | TranscodeFailed
  | OutputIncomplete
  | WorkspaceError
  | ApiError

/** A source that cannot be decoded fails for good; everything else may go better the next time or elsewhere. */
export const worthRetrying = (error: AttemptError): boolean =>
  !(error._tag === "SourceRejected" || (error._tag === "TranscodeFailed" && error.reason === "source"))

const reasons = {
  SourceRejected: "source",
  ProbeUnavailable: "probe",
  OutputIncomplete: "incomplete",
  WorkspaceError: "resources",
  ApiRefused: "refused"
} as const

/** None where the attempt died of a fault of ours. */
export const reasonOf = (error: Option.Option<AttemptError>): FailureReason => {
  if (Option.isNone(error)) return "unexpected"
  const failure = error.value
  // Where the last encoder does not take the pictures, that is one more device that refused.
  if (failure._tag === "TranscodeFailed") return failure.reason === "unfit" ? "device" : failure.reason
  return failure._tag === "LeaseLost" || failure._tag === "ApiUnavailable" ? "unexpected" : reasons[failure._tag]
}

export const endingOf = (exit: Exit.Exit<void, AttemptError>): Ending => {
  if (Exit.isSuccess(exit)) return { outcome: "done", reason: "none" }
  if (Cause.hasInterruptsOnly(exit.cause)) return { outcome: "released", reason: "stopped" }
  const error = Cause.findErrorOption(exit.cause)
  const tag = Option.getOrUndefined(error)?._tag
  if (tag === "LeaseLost") return { outcome: "lost", reason: "lease" }
  if (tag === "ApiUnavailable") return { outcome: "released", reason: "unreachable" }
  return { outcome: "failed", reason: reasonOf(error) }
}
