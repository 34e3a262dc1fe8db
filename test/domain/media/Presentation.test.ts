import { assert, describe, it } from "@effect/vitest"
import { averageBitrate, peakBitrate, type VideoTrack } from "../../../src/domain/media/Presentation.ts"
import { RenditionName } from "../../../src/domain/media/Rendition.ts"

const track = (bytes: number): VideoTrack => ({
  name: RenditionName.make("360p"),
  codecs: "avc1.64001e",
  timescale: 60,
  init: "init.mp4",
  segments: [{ name: "seg_00000.m4s", decodeTime: 0, duration: 168, bytes }],
  width: 640,
  height: 360,
  frameRate: { numerator: 60, denominator: 1 }
})

describe("bit rates", () => {
  it("have no average above the peak, also where a quotient cannot be written exactly", () => {
    assert.strictEqual(averageBitrate(track(177_919)), peakBitrate(track(177_919)))
  })
})
