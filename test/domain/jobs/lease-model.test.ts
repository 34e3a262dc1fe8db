import { assert, describe, it } from "@effect/vitest"
import { explore } from "../support/explore.ts"
import { domainRules, key, mutants, next, type Rules, start, violation } from "../support/leaseModel.ts"

const check = (rules: Rules, wanted: ReadonlyArray<string> = []) =>
  explore({ start, key, next: (world) => next(world, rules), violation, limit: 200_000, wanted })

const stale = ["a stale fail changed the task", "a stale release changed the task", "a stale complete changed the task"]

/** What each mutant must be convicted of. */
const crimes: Readonly<Record<keyof typeof mutants, ReadonlyArray<string>>> = {
  "no lease test": stale,
  "the worker's name instead of its lease": stale,
  "one folder for all attempts": [
    "viewers see a mixture of two attempts",
    "viewers see another attempt than the one that completed"
  ],
  "check, then act": [...stale, "a lease that had ended came back"],
  "a renewal revives": ["a lease that had ended came back"],
  "done is forgotten by a failure": ["a stale fail changed the task"],
  "done is done, whoever asks": ["a worker was told that it completed, but is not published"],
  "a cancellation takes away what is done": ["done did not stay done"],
  "a retry makes done work again": ["done did not stay done"],
  "a cancelled worker keeps its lease": ["a lease on a task that nobody works on"]
}

describe("a task's lease, whatever happens in whatever order", { timeout: 60_000 }, () => {
  it("keeps the published output whole, done done, and stale workers out", () => {
    const { seen, states, violations } = check(domainRules)
    assert.deepStrictEqual([...violations], [])
    assert.isAbove(states, 40_000)
    const interesting = [
      "crashes and restarts",
      "the lease ends",
      "the sweeper takes it back",
      "writes late upload",
      "takes complete",
      "takes late complete",
      "repeats complete",
      "refuses complete: not-holder",
      "refuses complete: ended",
      "takes renew",
      "refuses renew: expired",
      "refuses fail: not-holder",
      "refuses fail: ended",
      "takes release",
      "the operator's cancel",
      "the operator's retry"
    ]
    for (const happening of interesting) assert.isTrue(seen.has(happening), `the model never ${happening}`)
  })

  for (const name of Object.keys(mutants) as ReadonlyArray<keyof typeof mutants>) {
    it(`would not be safe with: ${name}`, () => {
      const { violations } = check(mutants[name], crimes[name])
      for (const crime of crimes[name]) assert.isTrue(violations.has(crime), `${crime}: not found`)
    })
  }
})
