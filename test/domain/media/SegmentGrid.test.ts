import { assert, describe, it } from "@effect/vitest"
import * as FrameRate from "../../../src/domain/media/FrameRate.ts"
import * as SegmentGrid from "../../../src/domain/media/SegmentGrid.ts"
import { int, standardRate } from "../support/arbitraries.ts"

describe("the segment grid", () => {
  it("puts a keyframe each two seconds and two of them into a segment", () => {
    const grid = SegmentGrid.make(FrameRate.make(25))
    assert.strictEqual(grid.framesPerKeyframe, 50)
    assert.strictEqual(grid.framesPerSegment, 100)
    assert.strictEqual(SegmentGrid.segmentSeconds(grid), 4)
  })

  it("counts whole frames where two seconds are not", () => {
    const grid = SegmentGrid.make(FrameRate.make(30000, 1001))
    assert.strictEqual(grid.framesPerSegment, 120)
    assert.strictEqual(SegmentGrid.segmentSeconds(grid), 4.004)
  })

  it("gives a slide show at least a frame to a keyframe", () => {
    const grid = SegmentGrid.make(FrameRate.make(1, 10))
    assert.strictEqual(grid.framesPerKeyframe, 1)
    assert.strictEqual(grid.framesPerSegment, 2)
  })

  it("needs a segment for the frames that are left over", () => {
    const grid = SegmentGrid.make(FrameRate.make(25))
    assert.strictEqual(SegmentGrid.segmentCount(grid, 100), 1)
    assert.strictEqual(SegmentGrid.segmentCount(grid, 101), 2)
    assert.strictEqual(SegmentGrid.segmentCount(grid, 1), 1)
  })

  it.prop("is whole frames of about two and four seconds at every usual rate", [standardRate], ([rate]) => {
    const grid = SegmentGrid.make(rate)
    assert.isTrue(Number.isInteger(grid.framesPerKeyframe))
    assert.strictEqual(grid.framesPerSegment % grid.framesPerKeyframe, 0)
    assert.approximately(FrameRate.seconds(rate, grid.framesPerKeyframe), 2, 0.5 / FrameRate.toNumber(rate))
    assert.approximately(SegmentGrid.segmentSeconds(grid), 4, 1 / FrameRate.toNumber(rate))
  })

  it("lies on every other frame of a high rate", () => {
    const grid = SegmentGrid.make(FrameRate.make(475, 10))
    assert.strictEqual(grid.framesPerKeyframe, 96)
    const half = SegmentGrid.thinned(grid, 2)
    assert.strictEqual(half.framesPerKeyframe, 48)
    assert.strictEqual(SegmentGrid.segmentSeconds(half), SegmentGrid.segmentSeconds(grid))
    assert.deepStrictEqual(SegmentGrid.thinned(grid, 1), grid)
  })

  it.prop("has just enough segments for the frames", [standardRate, int(1, 1_000_000)], ([rate, frames]) => {
    const grid = SegmentGrid.make(rate)
    const count = SegmentGrid.segmentCount(grid, frames)
    assert.isAtLeast(count * grid.framesPerSegment, frames)
    assert.isBelow((count - 1) * grid.framesPerSegment, frames)
  })
})
