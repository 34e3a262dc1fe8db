import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import {
  defaultLeaseSeconds,
  fencedAfterSeconds,
  LeaseSeconds,
  renewEverySeconds
} from "../../../src/domain/jobs/Lease.ts"

describe("a lease's pace", () => {
  it.prop(
    "leaves time for a second question after one that was lost, before the worker must stop",
    [LeaseSeconds],
    ([length]) => {
      assert.isBelow(2 * renewEverySeconds(length), fencedAfterSeconds(length))
    }
  )

  it.prop("stops the worker before anybody else can be given its task", [LeaseSeconds], ([length]) => {
    assert.isBelow(fencedAfterSeconds(length), length)
  })

  it("is that of a lease that may be asked for", () => {
    assert.isTrue(Schema.is(LeaseSeconds)(defaultLeaseSeconds))
    assert.isFalse(Schema.is(LeaseSeconds)(4))
  })
})
