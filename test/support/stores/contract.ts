/** What is the same for all tests of the stores that jobs are kept in. */
import { layer } from "@effect/vitest"
import { Context, Effect, type Layer } from "effect"
import type { JobId } from "../../../src/domain/ids.ts"
import type { JobStore } from "../../../src/domain/ports/JobStore.ts"
import type { VideoStore } from "../../../src/domain/ports/VideoStore.ts"
import type { WorkerRegistry } from "../../../src/domain/ports/WorkerRegistry.ts"

/** What no port offers: time that passes, and plans that nobody makes yet. */
export class StoreHands extends Context.Service<
  StoreHands,
  {
    /** Forgets everything, as if the sweeper had just run. */
    readonly reset: Effect.Effect<void>
    /** Makes the job's one task the first of several ranges of 100 frames. */
    splitIntoRanges(job: JobId, count: number): Effect.Effect<void>
    /** Lets every lease run out. */
    readonly expireLeases: Effect.Effect<void>
    /** Lets the pause before a next try pass. */
    readonly endPauses: Effect.Effect<void>
    /** Puts the start of a job this many seconds off. */
    delayJob(job: JobId, seconds: number): Effect.Effect<void>
    /** The sweeper has not run for this many seconds. */
    sweptAgo(seconds: number): Effect.Effect<void>
    /** No worker was heard of for an hour. */
    readonly silenceWorkers: Effect.Effect<void>
    /** Seconds until a task of the job may be claimed. */
    pauseOf(job: JobId): Effect.Effect<number>
  }
>()("vlog/test/support/stores/StoreHands") {}

type Stores = JobStore | VideoStore | WorkerRegistry | StoreHands

/** A test that begins with nothing in the stores. */
export type Test = <A, E>(what: string, body: () => Effect.Effect<A, E, Stores>) => void

export const contract = <E>(name: string, stores: Layer.Layer<Stores, E>, tests: (test: Test) => void) =>
  layer(stores, { excludeTestServices: true, timeout: "60 seconds" })(name, (it) =>
    tests((what, body) =>
      it.effect(
        what,
        () =>
          Effect.andThen(
            StoreHands.use((hands) => hands.reset),
            Effect.suspend(body)
          ),
        { timeout: 60_000 }
      )
    )
  )
