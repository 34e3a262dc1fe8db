import { assert, describe, it } from "@effect/vitest"
import { percentOf } from "../../../src/domain/jobs/Progress.ts"
import { int } from "../support/arbitraries.ts"

describe("the percentage that is done", () => {
  it("is rounded down, so that only all is a hundred", () => {
    assert.strictEqual(percentOf(999, 1000), 99)
    assert.strictEqual(percentOf(1000, 1000), 100)
    assert.strictEqual(percentOf(0, 1000), 0)
  })

  it("is none of nothing", () => {
    assert.strictEqual(percentOf(5, 0), 0)
  })

  it.prop(
    "is a whole number from 0 to 100, whatever an encoder counts",
    [int(-10, 1_000_000), int(-10, 1_000_000)],
    ([done, total]) => {
      const percent = percentOf(done, total)
      assert.isTrue(Number.isInteger(percent))
      assert.isAtLeast(percent, 0)
      assert.isAtMost(percent, 100)
    }
  )
})
