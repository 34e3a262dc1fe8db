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

export const make = (frameRate: FrameRate): SegmentGrid => {
  const framesPerKeyframe = Math.max(1, Rate.framesIn(frameRate, keyframeSeconds))
  return { frameRate, framesPerKeyframe, framesPerSegment: framesPerKeyframe * keyframesPerSegment }
}

/** Seconds of every segment but the last. */
export const segmentSeconds = (grid: SegmentGrid): number => Rate.seconds(grid.frameRate, grid.framesPerSegment)

export const segmentCount = (grid: SegmentGrid, frames: number): number => Math.ceil(frames / grid.framesPerSegment)
