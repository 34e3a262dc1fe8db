import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { segmentIndex, segmentName } from "../../../src/domain/media/Segment.ts"
import { int } from "../support/arbitraries.ts"

describe("the name of a segment", () => {
  it("has five digits, or more where five are not enough", () => {
    assert.strictEqual(segmentName(0), "seg_00000.m4s")
    assert.strictEqual(segmentName(99_999), "seg_99999.m4s")
    assert.strictEqual(segmentName(100_000), "seg_100000.m4s")
  })

  it.prop("gives its number back", [int(0, 10_000_000)], ([index]) => {
    assert.strictEqual(segmentIndex(segmentName(index)), index)
  })

  it("is the only name for its number: DASH players make the name from the number", () => {
    for (const name of [
      "seg_000000.m4s",
      "seg_000012.m4s",
      "seg_0.m4s",
      "seg_1234.m4s",
      "seg_99999999999999999999.m4s"
    ]) {
      assert.isNull(segmentIndex(name), name)
    }
  })

  it("is not read out of anything else", () => {
    const others = [
      "init.mp4",
      "poster.jpg",
      "seg_00000.m4s\n",
      "x/seg_00000.m4s",
      "seg_00000.m4s.tmp",
      "SEG_00000.m4s",
      "seg_0000a.m4s",
      "seg_00NaN.m4s"
    ]
    for (const name of others) assert.isNull(segmentIndex(name), name)
  })

  it.prop("is the only text that has its number", [Schema.String.check(Schema.isPattern(/^\d{1,8}$/))], ([digits]) => {
    const name = `seg_${digits}.m4s`
    const index = segmentIndex(name)
    assert.strictEqual(index === null ? null : segmentName(index), name === segmentName(Number(digits)) ? name : null)
  })
})
