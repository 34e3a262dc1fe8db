/**
 * Where keyframes and segment boundaries lie: on whole frames, never on seconds, so that every rendition and every
 * worker cuts at the same instants whatever the frame rate.
 */
import { Schema } from "effect"
import { FrameRate } from "./FrameRate.ts"
import * as Rate from "./FrameRate.ts"

export const SegmentGrid = Schema.Struct({
  frameRate: FrameRate,
  framesPerKeyframe: Schema.Int,
  framesPerSegment: Schema.Int
})
export interface SegmentGrid extends Schema.Schema.Type<typeof SegmentGrid> {}

/** A player may start or switch at least this often: RFC 8216 practice is a keyframe each 2 s. */
const keyframeSeconds = 2
const keyframesPerSegment = 2

const onFrames = (frameRate: FrameRate, framesPerKeyframe: number): SegmentGrid => ({
  frameRate,
  framesPerKeyframe,
  framesPerSegment: framesPerKeyframe * keyframesPerSegment
})

/** Of a high rate every other frame is enough to lie on it. */
export const make = (frameRate: FrameRate): SegmentGrid => {
  const step = Rate.isHigh(frameRate) ? 2 : 1
  return onFrames(frameRate, step * Math.max(1, Rate.framesIn(frameRate, keyframeSeconds / step)))
}

/** The same instants, counted by who has one frame in `step`. */
export const thinned = (grid: SegmentGrid, step: 1 | 2): SegmentGrid =>
  step === 1 ? grid : onFrames(Rate.half(grid.frameRate), grid.framesPerKeyframe / step)

/** Seconds of every segment but the last. */
export const segmentSeconds = (grid: SegmentGrid): number => Rate.seconds(grid.frameRate, grid.framesPerSegment)

export const segmentCount = (grid: SegmentGrid, frames: number): number => Math.ceil(frames / grid.framesPerSegment)
