/**
 * The spans of attempts, told from what the database knows. A worker could not do it: one that is killed takes what it
 * had to tell with it, and what its steps, sent before, hang on would never come.
 */
import { Effect, References } from "effect"
import { AttemptJournal, type EndedAttempt } from "../ports/AttemptJournal.ts"
import { recordSpan } from "../telemetry/PastSpan.ts"
import { attemptSpanId, attemptTrace, spanOf } from "../telemetry/TraceContext.ts"

const tell = Effect.fnUntraced(function* (attempt: EndedAttempt) {
  const { claimableAt, claimedAt, endedAt, error, leaseId, outcome, previous, stderr, trace } = attempt
  const attributes = {
    "vlog.job.id": attempt.jobId,
    "vlog.task.id": attempt.taskId,
    "vlog.task.kind": attempt.kind,
    "vlog.video.id": attempt.videoId,
    "vlog.attempt": attempt.attempt,
    "vlog.lease.id": leaseId,
    "vlog.worker.name": attempt.worker
  }
  const parent = spanOf(trace)
  const unfinished = outcome === "failed" || outcome === "expired"
  if (claimableAt !== null) {
    yield* recordSpan("claim", {
      parent,
      kind: "consumer",
      startedAt: claimableAt.getTime(),
      endedAt: claimedAt.getTime(),
      attributes: {
        ...attributes,
        "vlog.task.waited_seconds": Math.max(0, claimedAt.getTime() - claimableAt.getTime()) / 1000
      }
    })
  }
  yield* recordSpan("attempt", {
    parent,
    id: attemptSpanId(leaseId),
    links: previous === null ? [] : [spanOf(attemptTrace(trace, previous))],
    startedAt: claimedAt.getTime(),
    endedAt: endedAt.getTime(),
    attributes: {
      ...attributes,
      "vlog.attempt.outcome": outcome,
      "error.type": unfinished ? outcome : null,
      "process.stderr.tail": stderr
    },
    failure: unfinished ? (error ?? outcome) : undefined
  })
})

/** Nothing is taken where nothing is traced: another may want to tell it. */
export const tellAttempts = Effect.gen(function* () {
  if (!(yield* References.TracerEnabled)) return
  const journal = yield* AttemptJournal
  yield* Effect.forEach(yield* journal.take, tell, { discard: true })
}).pipe(Effect.catch((error) => Effect.logWarning("the spans of attempts were not told", { problem: error.message })))
