import { assert, describe, it } from "@effect/vitest"
import { averageBitrate, peakBitrate, type VideoTrack } from "../../../src/domain/media/Presentation.ts"
import { RenditionName } from "../../../src/domain/media/Rendition.ts"

const track = (bytes: number, ...more: ReadonlyArray<readonly [duration: number, bytes: number]>): VideoTrack => ({
  name: RenditionName.make("360p"),
  codecs: "avc1.64001e",
  timescale: 60,
  init: "init.mp4",
  segments: [
    { name: "seg_00000.m4s", decodeTime: 0, duration: 168, bytes },
    ...more.map(([duration, bytes], index) => ({ name: `seg_0000${index + 1}.m4s`, decodeTime: 0, duration, bytes }))
  ],
  width: 640,
  height: 360,
  frameRate: { numerator: 60, denominator: 1 }
})

describe("bit rates", () => {
  it("have no average above the peak, also where a quotient cannot be written exactly", () => {
    assert.strictEqual(averageBitrate(track(177_919)), peakBitrate(track(177_919)))
  })

  it("have a peak of what is long enough to be seen: a last picture alone is counted with what comes before it", () => {
    // 168/60 s of 1000 bytes a tick, then a keyframe of 100 kB that is shown for 1/60 s.
    const stray = track(168_000, [1, 100_000])
    assert.strictEqual(peakBitrate(stray), Math.ceil((268_000 * 8 * 60) / 169))
    // Half a segment has a rate of its own.
    assert.strictEqual(peakBitrate(track(168_000, [84, 168_000])), 2000 * 8 * 60)
    assert.strictEqual(peakBitrate(track(168_000, [83, 168_000])), Math.ceil((336_000 * 8 * 60) / 251))
  })
})
