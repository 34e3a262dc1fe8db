/** The Worker API as a worker sees it. */
import type { Effect, Option } from "effect"
import { Context, Schema } from "effect"
import type { SourceFacts } from "../videos/Video.ts"
import type { Capabilities } from "../workers/Capabilities.ts"
import type { Fingerprint, LeaseId } from "../ids.ts"
import type { FailureReason } from "../jobs/FailureReason.ts"
import type { Leavings } from "../jobs/Resumption.ts"
import type { Progress } from "../jobs/Progress.ts"
import type { FileDigest, MadeFile } from "../media/Segment.ts"
import type { Presentation } from "../media/Presentation.ts"
import type { ClaimedTask } from "./JobStore.ts"
import type { WorkspaceError } from "./Workspace.ts"

/** The API cannot be reached or cannot answer now. Asking again later is right. */
export class ApiUnavailable extends Schema.TaggedError<ApiUnavailable>()("ApiUnavailable", { problem: Schema.String }) {
  override get message() {
    return this.problem
  }
}

/** The task is not ours any more: stop, tell nobody, take another. */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", { problem: Schema.String }) {
  override get message() {
    return this.problem
  }
}

/** The API understood and said no, and would say no again. */
export class ApiRefused extends Schema.TaggedError<ApiRefused>()("ApiRefused", {
  status: Schema.Int,
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

export type ApiError = ApiUnavailable | LeaseLost | ApiRefused

export class WorkerApi extends Context.Service<
  WorkerApi,
  {
    heartbeat(report: {
      readonly status: "idle" | "busy"
      /** Null while the machine is not known yet. */
      readonly capabilities: Capabilities | null
    }): Effect.Effect<
      {
        readonly welcome: boolean
        /** Leases of this worker that were ended from the other side. */
        readonly cancelled: ReadonlyArray<LeaseId>
      },
      ApiUnavailable | ApiRefused
    >
    readonly claim: Effect.Effect<
      Option.Option<{ readonly task: ClaimedTask; readonly leaseSeconds: number }>,
      ApiUnavailable | ApiRefused
    >
    renew(
      task: ClaimedTask,
      report: { readonly progress: Progress; readonly facts: SourceFacts | null }
    ): Effect.Effect<void, ApiError>
    /**
     * Resumes where a connection broke, and succeeds only with exactly the bytes that were uploaded. Tells how many have
     * `arrived`, which are fewer than before where a server starts anew.
     */
    download(
      task: ClaimedTask,
      path: string,
      arrived: (bytes: number) => Effect.Effect<void>
    ): Effect.Effect<void, ApiError | WorkspaceError>
    /** Says which encoder works on the task, and asks what an earlier attempt with the same one left. */
    begin(task: ClaimedTask, fingerprint: Fingerprint): Effect.Effect<Option.Option<Leavings>, ApiError>
    /** Takes over files of an earlier attempt, without sending them. */
    adopt(
      task: ClaimedTask,
      from: { readonly lease: LeaseId; readonly files: ReadonlyArray<FileDigest> }
    ): Effect.Effect<void, ApiError>
    upload(task: ClaimedTask, file: MadeFile, path: string): Effect.Effect<void, ApiError | WorkspaceError>
    complete(
      task: ClaimedTask,
      output: {
        readonly facts: SourceFacts
        readonly files: ReadonlyArray<FileDigest>
        readonly presentation: Presentation
        /** What the job's history should know: which encoders failed, and which was used instead. */
        readonly notes: ReadonlyArray<string>
      }
    ): Effect.Effect<void, ApiError>
    fail(
      task: ClaimedTask,
      failure: {
        readonly error: string
        readonly reason: FailureReason
        readonly retry: boolean
        /** The last lines of ffmpeg. */
        readonly stderr: string | null
        readonly notes: ReadonlyArray<string>
      }
    ): Effect.Effect<void, ApiError>
    release(task: ClaimedTask): Effect.Effect<void, ApiError>
  }
>()("vlog/domain/ports/WorkerApi") {}
