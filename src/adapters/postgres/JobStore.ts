/**
 * JobStore on PostgreSQL. Each transition of a task is one conditional statement that tests the lease in the same
 * breath as it writes; the rules are those of `domain/jobs/Task.ts`. Locks are always taken task first, then job.
 */
import { Effect, Layer } from "effect"
import { JobStore } from "../../domain/ports/JobStore.ts"
import { makeAttemptWrites } from "./jobs/AttemptWrites.ts"
import { makeClaiming } from "./jobs/Claiming.ts"
import { makeCompleting } from "./jobs/Completing.ts"
import { makeEnding } from "./jobs/Ending.ts"
import { makeQueries } from "./jobs/Queries.ts"
import { makeResuming } from "./jobs/Resuming.ts"
import { makeSweeping } from "./jobs/Sweeping.ts"

const make = Effect.gen(function* () {
  return JobStore.of({
    ...(yield* makeClaiming),
    ...(yield* makeAttemptWrites),
    ...(yield* makeResuming),
    ...(yield* makeCompleting),
    ...(yield* makeEnding),
    ...(yield* makeSweeping),
    ...(yield* makeQueries)
  })
})

export const layer = Layer.effect(JobStore, make)
