import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { stateOf } from "../../../src/domain/jobs/Job.ts"
import { TaskState } from "../../../src/domain/jobs/Task.ts"

describe("a job's state", () => {
  it("is active until its last task is done", () => {
    assert.strictEqual(stateOf(["done", "leased"]), "active")
    assert.strictEqual(stateOf(["done", "queued"]), "active")
    assert.strictEqual(stateOf(["done", "done"]), "done")
  })

  it("is failed with the first task that failed, whatever became of the others", () => {
    assert.strictEqual(stateOf(["done", "failed", "cancelled"]), "failed")
  })

  it("is not done without any task", () => {
    assert.strictEqual(stateOf([]), "active")
  })

  it.prop(
    "does not depend on the order of tasks",
    [Schema.Array(TaskState)],
    ([tasks]) => stateOf(tasks) === stateOf(tasks.toReversed())
  )
})
