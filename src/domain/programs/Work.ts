/** The life of a worker: introduce itself, then claim one task after the other until told to stop. */
import { Cause, Duration, Effect, Exit, Option, Ref, Schedule, SubscriptionRef } from "effect"
import type { OutputIncomplete } from "../jobs/Completion.ts"
import * as Progress from "../jobs/Progress.ts"
import type { VideoCodec } from "../media/Codec.ts"
import type { EncoderPolicy } from "../media/EncoderSelection.ts"
import type { SourceRejected } from "../media/Source.ts"
import type { ClaimedTask } from "../ports/JobStore.ts"
import type { ProbeUnavailable } from "../ports/MediaProbe.ts"
import type { TranscodeFailed } from "../ports/Transcoder.ts"
import { Transcoder } from "../ports/Transcoder.ts"
import type { ApiError } from "../ports/WorkerApi.ts"
import { WorkerApi } from "../ports/WorkerApi.ts"
import type { WorkspaceError } from "../ports/Workspace.ts"
import { WorkerState } from "../workers/WorkerState.ts"
import { keepLease } from "./KeepLease.ts"
import { type AttemptReport, transcodeTask } from "./TranscodeTask.ts"

export interface WorkSettings {
  readonly codec: VideoCodec
  readonly policy: EncoderPolicy
  readonly pollEvery: Duration.Duration
  readonly heartbeatEvery: Duration.Duration
  readonly reportEvery: Duration.Duration
}

type AttemptError = SourceRejected | ProbeUnavailable | TranscodeFailed | OutputIncomplete | WorkspaceError | ApiError

/** A source that cannot be decoded fails for good; everything else may go better the next time or elsewhere. */
const worthRetrying = (error: AttemptError): boolean =>
  !(error._tag === "SourceRejected" || (error._tag === "TranscodeFailed" && error.reason === "source"))

/** Tells the API how an attempt ended. Not being able to tell is no new failure: the lease runs out by itself. */
const report = Effect.fnUntraced(
  function* (task: ClaimedTask, exit: Exit.Exit<void, AttemptError>) {
    if (Exit.isSuccess(exit)) return
    const api = yield* WorkerApi
    if (Cause.hasInterruptsOnly(exit.cause)) {
      yield* Effect.logInfo("task given back")
      return yield* api.release(task)
    }
    const error = Cause.findErrorOption(exit.cause)
    if (Option.isSome(error) && error.value._tag === "LeaseLost") {
      return yield* Effect.logWarning("lease lost, task abandoned", { problem: error.value.message })
    }
    if (Option.isSome(error) && error.value._tag === "ApiUnavailable") {
      yield* Effect.logWarning("Worker API unreachable, task given back", { problem: error.value.message })
      return yield* api.release(task)
    }
    const retry = Option.match(error, { onNone: () => true, onSome: worthRetrying })
    const problem = Option.match(error, {
      onNone: () => Cause.pretty(exit.cause),
      onSome: (failure) => failure.message
    })
    const details = Option.match(error, {
      onNone: () => "",
      onSome: (failure) => (failure._tag === "TranscodeFailed" ? failure.details : "")
    })
    yield* Effect.logError("task failed", { problem, retry, details })
    yield* api.fail(task, { error: details === "" ? problem : `${problem}\n${details}`, retry })
  },
  Effect.catch((error) =>
    Effect.logWarning("the Worker API was not told how the attempt ended", { problem: error.message })
  )
)

/** One attempt, with its lease kept alive beside it; whichever ends first ends the other. */
const attempt = Effect.fn("attempt")(
  function* (claimed: { readonly task: ClaimedTask; readonly leaseSeconds: number }, settings: WorkSettings) {
    const { leaseSeconds, task } = claimed
    const progress = yield* Ref.make<AttemptReport>({ progress: Progress.none, facts: null })
    yield* Effect.logInfo("claimed", { slug: task.slug, attempt: task.attempt })
    yield* Effect.uninterruptibleMask((restore) =>
      Effect.raceFirst(
        transcodeTask({ task, codec: settings.codec, policy: settings.policy, report: progress }),
        keepLease({
          task,
          leaseSeconds,
          reportEverySeconds: Duration.toSeconds(settings.reportEvery),
          report: progress
        })
      ).pipe(
        restore,
        Effect.exit,
        Effect.flatMap((exit) => report(task, exit))
      )
    )
  },
  (effect, { task }) => Effect.annotateLogs(effect, { job: task.jobId, lease: task.leaseId })
)

const counted = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    WorkerState.update(({ tasks }) => ({ tasks: tasks + 1 })),
    () => effect,
    () => WorkerState.update(({ tasks }) => ({ tasks: tasks - 1 }))
  )

/** Claims for ever. An API that is away is asked again at the same pace, and said so once. */
const claimLoop = Effect.fnUntraced(function* (settings: WorkSettings) {
  const api = yield* WorkerApi
  const pause = Effect.delay(Effect.void, settings.pollEvery)
  let reachable = true
  while (true) {
    const claimed = yield* api.claim.pipe(
      Effect.tap(() => {
        reachable = true
        return Effect.void
      }),
      Effect.catch((error) => {
        const first = reachable
        reachable = false
        return Effect.as(
          first ? Effect.logWarning("cannot claim, trying again", { problem: error.message }) : Effect.void,
          Option.none()
        )
      })
    )
    if (Option.isNone(claimed)) yield* pause
    else yield* counted(attempt(claimed.value, settings))
  }
})

const beat = Effect.gen(function* () {
  const api = yield* WorkerApi
  const transcoder = yield* Transcoder
  const { tasks } = yield* SubscriptionRef.get(yield* WorkerState)
  const answer = yield* api.heartbeat({ status: tasks > 0 ? "busy" : "idle", capabilities: transcoder.capabilities })
  yield* WorkerState.update(() => ({ connected: true }))
  return answer
})

const heartbeats = (settings: WorkSettings) =>
  beat.pipe(
    Effect.catch((error) =>
      Effect.andThen(
        WorkerState.update(() => ({ connected: false })),
        Effect.logWarning("heartbeat not answered", { problem: error.message })
      )
    ),
    Effect.delay(settings.heartbeatEvery),
    Effect.forever
  )

/** Waits for an API that is not there yet, and gives up at once on one that does not want this worker. */
const introduce = beat.pipe(
  Effect.tapError((error) =>
    error._tag === "ApiUnavailable"
      ? Effect.logWarning("waiting for the Worker API", { problem: error.message })
      : Effect.void
  ),
  Effect.retry({
    while: (error) => error._tag === "ApiUnavailable",
    schedule: Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("15 seconds")])
  })
)

export const work = Effect.fn("work")(function* (settings: WorkSettings) {
  yield* introduce
  yield* WorkerState.update(() => ({ phase: "working" }))
  yield* Effect.logInfo("ready")
  yield* Effect.forkScoped(heartbeats(settings))
  return yield* claimLoop(settings)
})
