/** The life of a worker that the API was told of: introduce itself, then claim one task after the other until told to stop. */
import { Cause, Clock, Duration, Effect, Exit, Fiber, FiberSet, Metric, Option, Ref, Semaphore } from "effect"
import * as Progress from "../jobs/Progress.ts"
import type { VideoCodec } from "../media/Codec.ts"
import { describe, type Encoder } from "../media/Encoder.ts"
import type { EncoderPolicy } from "../media/EncoderSelection.ts"
import type { ClaimedTask } from "../ports/JobStore.ts"
import { ApiUnavailable, WorkerApi } from "../ports/WorkerApi.ts"
import { type Allowance, tasksAtOnce, threadsOfTask } from "../workers/Allowance.ts"
import type { Capabilities } from "../workers/Capabilities.ts"
import { Encoders } from "../workers/Encoders.ts"
import { taskEnded, taskSeconds, touchMetrics } from "../workers/Metrics.ts"
import { spanOf } from "../telemetry/TraceContext.ts"
import { WorkerState } from "../workers/WorkerState.ts"
import { type AttemptError, endingOf, reasonOf, worthRetrying } from "./AttemptEnding.ts"
import type { AttemptReport } from "./AttemptReport.ts"
import { type Greeting, introduce, rechecks } from "./Introduce.ts"
import { keepLease, untilCancelled } from "./KeepLease.ts"
import { transcodeTask } from "./TranscodeTask.ts"

export interface WorkSettings {
  readonly codec: VideoCodec
  readonly policy: EncoderPolicy
  readonly pollEvery: Duration.Duration
  readonly heartbeatEvery: Duration.Duration
  readonly reportEvery: Duration.Duration
  /** Tasks at once; null leaves it to what the machine is found to be. */
  readonly concurrency: number | null
  readonly allowance: Allowance
  /** Ends with the first task, or at once where there is none: for a scheduler that starts a worker for each. */
  readonly once: boolean
  /** How long the segments in hand, or tasks that are nearly done, may take after this worker was told to stop. */
  readonly drainFor: Duration.Duration
  /** Completes when there is no time even for that. */
  readonly hurry: Effect.Effect<void>
}

const measured = Effect.fnUntraced(function* (began: bigint, exit: Exit.Exit<void, AttemptError>) {
  const seconds = Number((yield* Clock.monotonicTimeNanos) - began) / 1e9
  yield* Metric.update(taskSeconds, seconds)
  yield* Metric.update(taskEnded(endingOf(exit)), 1)
})

/** For the last word of a worker that was told to stop: whoever told it waits only so long before killing it. */
const lastWordPatience = "5 seconds"

/** Tells the API how an attempt ended. Not being able to tell is no new failure: the lease runs out by itself. */
const report = Effect.fnUntraced(
  function* (task: ClaimedTask, exit: Exit.Exit<void, AttemptError>, notes: ReadonlyArray<string>) {
    if (Exit.isSuccess(exit)) return
    const api = yield* WorkerApi
    if (Cause.hasInterruptsOnly(exit.cause)) {
      yield* Effect.logInfo("task given back")
      return yield* Effect.timeoutOrElse(api.release(task), {
        duration: lastWordPatience,
        orElse: () => new ApiUnavailable({ problem: `The Worker API does not answer within ${lastWordPatience}` })
      })
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
    const stderr = details === "" ? null : details
    yield* api.fail(task, { error: problem, reason: reasonOf(error), retry, stderr, notes })
  },
  Effect.catch((error) =>
    Effect.logWarning("the Worker API was not told how the attempt ended", { problem: error.message })
  )
)

/** A program that was replaced or taken away fails every task, and those of others who would have done it well. */
const hintsAtMachine = (exit: Exit.Exit<void, AttemptError>) => {
  const { outcome, reason } = endingOf(exit)
  return outcome === "failed" && ["crashed", "stalled", "probe"].includes(reason)
}

interface Claimed {
  readonly task: ClaimedTask
  readonly leaseSeconds: number
  /** When the claim was sent, on the monotonic clock: the lease cannot have begun earlier. */
  readonly askedAt: bigint
}

/** What was settled when the machine was known. */
interface Terms extends WorkSettings {
  readonly tasks: number
  /** For each task; null leaves it to ffmpeg. */
  readonly threads: number | null
}

/** Below the span of the attempt, of which the API tells; or below one of our own where no API tells of any. */
const traced =
  ({ trace }: ClaimedTask) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    trace === null ? Effect.withSpan(effect, "attempt", { root: true }) : Effect.withParentSpan(effect, spanOf(trace))

/** One attempt, with its lease kept alive beside it; whichever ends first ends the other. Tells whether it succeeded. */
const attempt = Effect.fnUntraced(
  function* (claimed: Claimed, settings: Terms) {
    const { askedAt, leaseSeconds, task } = claimed
    const progress = yield* Ref.make<AttemptReport>({ progress: Progress.none, facts: null })
    const notes = yield* Ref.make<ReadonlyArray<string>>([])
    const { doubt } = yield* Encoders
    const began = yield* Clock.monotonicTimeNanos
    yield* Effect.logInfo("claimed", { slug: task.slug, attempt: task.attempt })
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.raceFirst(
        transcodeTask({ ...settings, task, report: progress, notes }),
        keepLease({
          task,
          leaseSeconds,
          grantedAt: askedAt,
          reportEverySeconds: Duration.toSeconds(settings.reportEvery),
          report: progress
        })
      ).pipe(
        Effect.raceFirst(untilCancelled(task.leaseId)),
        restore,
        Effect.exit,
        Effect.tap((exit) => measured(began, exit)),
        Effect.tap((exit) => {
          const told = Effect.flatMap(Ref.get(notes), (said) => report(task, exit, said))
          // What is told at the end is told soon; all else gives way to the end.
          return Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? told : restore(told)
        }),
        Effect.tap((exit) => (hintsAtMachine(exit) ? restore(doubt) : Effect.void)),
        Effect.map(Exit.isSuccess)
      )
    )
  },
  (effect, { task }) =>
    effect.pipe(
      Effect.annotateSpans({ "vlog.job.id": task.jobId, "vlog.lease.id": task.leaseId }),
      traced(task),
      Effect.annotateLogs({ job: task.jobId, attempt: task.attempt, lease: task.leaseId })
    )
)

const counted = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    WorkerState.update(({ tasks }) => ({ tasks: tasks + 1 })),
    () => effect,
    () => WorkerState.update(({ tasks }) => ({ tasks: tasks - 1 }))
  )

/** A question that is not answered for so long is as good as not asked. */
const claimPatience = "30 seconds"

/**
 * Claims for ever (or once), as many tasks at once as there is room for. One asks for all: while there is nothing to
 * do, a worker with room for many asks no more often than one with room for one. An API that is away is asked again at
 * the same pace, and said so once. Between the answer and the start of the attempt nothing may come: a task that was
 * granted and forgotten waits for its lease to run out. For the same reason a worker that is told to stop
 * waits a little for an answer that is on its way.
 */
const claimLoops = Effect.fnUntraced(function* (settings: Terms, attempts: FiberSet.FiberSet<boolean>) {
  const api = yield* WorkerApi
  const { capabilities } = yield* Encoders
  /** Where nothing works any more, each task would only lose an attempt. */
  const able = Effect.map(capabilities, (now) => now !== null && now.encoders.length > 0)
  const pause = Effect.delay(Effect.void, settings.pollEvery)
  const asking = yield* Semaphore.make(1)
  let reachable = true

  const claim = api.claim.pipe(
    Effect.withTracerEnabled(false),
    Effect.timeoutOrElse({
      duration: claimPatience,
      orElse: () => new ApiUnavailable({ problem: `The Worker API does not answer within ${claimPatience}` })
    }),
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

  const startClaimed = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const askedAt = yield* Clock.monotonicTimeNanos
      const claimed = yield* restore(claim)
      return Option.isNone(claimed)
        ? null
        : yield* FiberSet.run(attempts, counted(attempt({ ...claimed.value, askedAt }, settings)))
    })
  )

  const start = Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkChild(startClaimed, { startImmediately: true }), (asking) =>
      Effect.onInterrupt(restore(Fiber.join(asking)), () =>
        Fiber.await(asking).pipe(
          Effect.raceFirst(settings.hurry),
          Effect.timeoutOption(lastWordPatience),
          Effect.andThen(Fiber.interrupt(asking))
        )
      )
    )
  )

  if (settings.once) {
    const started = yield* start
    return yield* started === null ? Effect.logInfo("nothing to do") : Effect.asVoid(Fiber.await(started))
  }

  const next = Effect.flatMap(able, (is) => (is ? start : Effect.succeed(null))).pipe(
    Effect.tap((started) => (started === null ? pause : Effect.void)),
    asking.withPermits(1)
  )

  const loop = Effect.gen(function* () {
    const started = yield* next
    if (started === null) return
    const ended = yield* Fiber.await(started)
    // A machine on which everything fails must not use up the attempts of one task after the other.
    if (!(Exit.isSuccess(ended) && ended.value)) yield* pause
  }).pipe(Effect.forever)

  return yield* Effect.all(
    Array.from({ length: settings.tasks }, () => loop),
    { concurrency: "unbounded", discard: true }
  )
})

/**
 * Takes no more tasks, and waits until attempts have come to an end of a segment, or of all, which gives their tasks
 * back. After some time, or in a hurry, they are interrupted wherever they are.
 */
const drain = Effect.fnUntraced(function* (settings: WorkSettings, attempts: FiberSet.FiberSet<boolean>) {
  yield* WorkerState.update(() => ({ phase: "draining" }))
  const tasks = yield* FiberSet.size(attempts)
  if (tasks === 0) return
  yield* Effect.logInfo("draining", { tasks, seconds: Duration.toSeconds(settings.drainFor) })
  yield* FiberSet.awaitEmpty(attempts).pipe(Effect.raceFirst(settings.hurry), Effect.timeoutOption(settings.drainFor))
})

/** Says what was found out at the start, and warns where it is not what the operator asked for. */
const announce = Effect.fnUntraced(function* (
  settings: Terms,
  { encoders: working, refused }: Capabilities,
  first: Encoder | undefined
) {
  const reasons = refused.map(({ encoder, reason }) => `${describe(encoder)}: ${reason}`)
  yield* Effect.logInfo("ready", {
    encoders: working.map(describe),
    chosen: first === undefined ? null : describe(first),
    tasks: settings.tasks,
    threads: settings.threads
  })
  const wantsHardware = settings.policy.backends[0] !== "software"
  if (settings.policy.vendor !== undefined && (first === undefined || first.backend === "software")) {
    yield* Effect.logWarning("no device of the wanted kind encodes here, the processor does", { refused: reasons })
  } else if (wantsHardware) {
    yield* Effect.logDebug("refused encoders", { refused: reasons })
  }
  if (first !== undefined && first.codec !== settings.codec) {
    yield* Effect.logWarning("the wanted codec cannot be encoded here", {
      wanted: settings.codec,
      instead: first.codec
    })
  }
})

export const work = Effect.fnUntraced(function* (settings: WorkSettings, greeting: Greeting) {
  yield* touchMetrics
  const capabilities = yield* introduce(greeting, settings.heartbeatEvery)
  const chain = yield* (yield* Encoders).chain({ codec: settings.codec, depth: 8 }, settings.policy)
  const tasks = settings.concurrency ?? tasksAtOnce(settings.allowance, chain)
  const terms = { ...settings, tasks, threads: threadsOfTask(settings.allowance, tasks) }
  yield* WorkerState.update(() => ({ phase: "working", room: tasks }))
  yield* announce(terms, capabilities, chain[0])
  yield* Effect.forkScoped(rechecks)
  const attempts = yield* FiberSet.make<boolean>()
  yield* Effect.addFinalizer(() => drain(settings, attempts))
  return yield* claimLoops(terms, attempts)
})
