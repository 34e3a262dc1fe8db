import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { stateOf } from "../../../src/domain/jobs/Job.ts"
import { TaskState } from "../../../src/domain/jobs/Task.ts"

describe("a job", () => {
  it("is done with the last of its tasks", () => {
    assert.strictEqual(stateOf(["done", "leased", "done"]), "active")
    assert.strictEqual(stateOf(["done", "queued"]), "active")
    assert.strictEqual(stateOf(["done", "done"]), "done")
  })

  it("is failed with the first of its tasks that fails, whatever the others do", () => {
    assert.strictEqual(stateOf(["done", "leased", "failed"]), "failed")
    assert.strictEqual(stateOf(["cancelled", "failed"]), "failed")
  })

  it("is cancelled with any of its tasks", () => {
    assert.strictEqual(stateOf(["done", "cancelled", "leased"]), "cancelled")
  })

  it("is not done before it has tasks", () => {
    assert.strictEqual(stateOf([]), "active")
  })

  it.prop("is the same in whatever order its tasks are listed", [Schema.Array(TaskState)], ([states]) => {
    assert.strictEqual(stateOf(states), stateOf(states.toReversed()))
    assert.strictEqual(stateOf(states), stateOf(states.toSorted()))
  })
})
