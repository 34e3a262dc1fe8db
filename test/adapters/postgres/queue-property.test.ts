/**
 * Random sequences of everything that may happen, done to the real store and to the pure rules of the domain: both must
 * answer the same and leave the same, and the audit must find nothing, after every step. More of them than usual with
 * VLOG_TEST_SEQUENCES.
 */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Layer } from "effect"
import type { Db } from "../../../src/adapters/postgres/Db.ts"
import * as PostgresJobStore from "../../../src/adapters/postgres/JobStore.ts"
import type { JobStore } from "../../../src/domain/ports/JobStore.ts"
import { TestDatabase } from "../../support/postgres.ts"
import { check, found } from "../../support/queue/check.ts"
import { rewritings, stores } from "../../support/queue/mutants.ts"
import { type Rewriting, Rewritten, rewritten } from "../../support/queue/rewrittenDb.ts"
import { Queue } from "../../support/queue/store.ts"

const sequences = Number(process.env["VLOG_TEST_SEQUENCES"] ?? 500)

/** What goes wrong seldom is found in a second with the right seed, and in a minute with most others. */
const seeds: Readonly<Record<string, string>> = {
  "the sweeper takes from the living": "m3",
  "whoever asks is told that it completed": "m8"
}

const seedOf = (mutant: string) => seeds[mutant] ?? "mutants"

const queue = (
  rewriting: ReadonlyArray<Rewriting>,
  store: Layer.Layer<JobStore, unknown, Db> = PostgresJobStore.layer
) => Queue.layer(store).pipe(Layer.provideMerge(rewritten(rewriting)), Layer.provide(TestDatabase.layerDb))

describe("the queue in PostgreSQL", { timeout: 600_000 }, () => {
  it.live("does what the domain says, whatever happens in whatever order", () =>
    Effect.gen(function* () {
      assert.strictEqual(Arbitrary.formatCheckFailure(yield* check(sequences)), undefined)
    }).pipe(Effect.provide(queue([])))
  )

  for (const [name, rewriting] of Object.entries(rewritings)) {
    it.live(`would be found out with: ${name}`, () =>
      Effect.gen(function* () {
        const runs = yield* found(sequences, seedOf(name))
        assert.isTrue((yield* Rewritten).has(rewriting.from), "the statement is written otherwise now: mend the mutant")
        assert.isNotNull(runs)
      }).pipe(Effect.provide(queue([rewriting])))
    )
  }

  for (const [name, store] of Object.entries(stores)) {
    it.live(`would be found out with: ${name}`, () =>
      Effect.gen(function* () {
        const runs = yield* found(sequences, seedOf(name))
        assert.isNotNull(runs)
      }).pipe(Effect.provide(queue([], store)))
    )
  }
})
