import { assert, describe, it } from "@effect/vitest"
import type { Encoder } from "../../../src/domain/media/Encoder.ts"
import * as FrameRate from "../../../src/domain/media/FrameRate.ts"
import { renditionNames, wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import { int, standardRate } from "../support/arbitraries.ts"
import { source } from "../support/sources.ts"

const encoder: Encoder = { name: "libx264", codec: "h264", backend: "software", device: null }

const planOf = (...parts: Parameters<typeof source>) => wholeSource(source(...parts), { encoder })

describe("the plan for a whole source", () => {
  it("keeps every frame of a constant source", () => {
    const plan = planOf({ frames: 251, duration: 10.04 })
    assert.strictEqual(plan.frames, 251)
    assert.strictEqual(plan.duration, 10.04)
    assert.strictEqual(FrameRate.format(plan.grid.frameRate), "25")
  })

  it("counts a constant source's frames, whatever its durations say", () => {
    assert.strictEqual(planOf({ frames: 251, duration: 10.3 }, []).frames, 251)
  })

  it("takes every second frame of a source at 120", () => {
    const plan = planOf({ nominalFrameRate: FrameRate.make(120), frames: 1200, duration: 10 })
    assert.strictEqual(FrameRate.format(plan.grid.frameRate), "60")
    assert.strictEqual(plan.frames, 600)
    assert.strictEqual(plan.duration, 10)
  })

  it("lays a variable source on a grid as long as its pictures", () => {
    const plan = planOf({
      constantFrameRate: false,
      nominalFrameRate: FrameRate.make(90000),
      usualFrameRate: FrameRate.make(2893, 100),
      frames: 289,
      duration: 9.99
    })
    assert.strictEqual(FrameRate.format(plan.grid.frameRate), "30000/1001")
    assert.strictEqual(plan.frames, 299)
  })

  it("holds the last picture while sound goes on", () => {
    const plan = planOf({}, [{ duration: 12 }])
    assert.strictEqual(plan.normalisation.holdLastPicture, 2)
    assert.strictEqual(plan.frames, 300)
    assert.strictEqual(plan.duration, 12)
  })

  it("holds for the longest of the sound tracks", () => {
    assert.strictEqual(planOf({}, [{ duration: 11 }, { duration: 13 }]).duration, 13)
  })

  it("lets go of the end of a last block of sound", () => {
    const plan = planOf({}, [{ duration: 10.4 }])
    assert.strictEqual(plan.normalisation.holdLastPicture, 0)
    assert.strictEqual(plan.frames, 250)
  })

  it("holds nothing for sound that ends before the pictures, says no end, or is not there", () => {
    assert.strictEqual(planOf({}, [{ duration: 3 }]).normalisation.holdLastPicture, 0)
    assert.strictEqual(planOf({}, [{ duration: null }]).normalisation.holdLastPicture, 0)
    assert.strictEqual(planOf({}, []).normalisation.holdLastPicture, 0)
  })

  it("shows the first picture from the beginning of the sound on", () => {
    const plan = planOf({ start: 2 }, [{ duration: 12 }, { start: 1, duration: 11 }])
    assert.strictEqual(plan.normalisation.leadFrames, 50)
    assert.strictEqual(plan.start, 0)
    assert.strictEqual(plan.frames, 300)
    assert.strictEqual(plan.normalisation.holdLastPicture, 0)
    assert.isFalse(plan.normalisation.scalingOnly)
    assert.strictEqual(planOf({ start: 0.4 }, [{}]).normalisation.leadFrames, 0, "codecs begin a little before")
    assert.strictEqual(planOf({ start: 2 }, []).normalisation.leadFrames, 0)
  })

  it("measures the end of the sound from the first picture", () => {
    assert.strictEqual(planOf({ start: 0.4 }, [{ duration: 10.4 }]).normalisation.holdLastPicture, 0)
    assert.strictEqual(planOf({}, [{ start: 2, duration: 10 }]).normalisation.holdLastPicture, 2)
  })

  it("says what has to be put right before scaling", () => {
    const plan = planOf({ fieldOrder: "interlaced", dynamicRange: "hlg", fullRange: true, start: 0.5, index: 2 })
    assert.strictEqual(plan.normalisation.deinterlace, "all")
    assert.strictEqual(plan.normalisation.toneMapFrom, "hlg")
    assert.isTrue(plan.normalisation.fullRange)
    assert.strictEqual(plan.start, 0.5)
    assert.strictEqual(plan.videoStream, 2)
    const unknown = (codec: string) => planOf({ fieldOrder: "unknown", codec }).normalisation.deinterlace
    assert.strictEqual(unknown("dvvideo"), "marked")
    assert.strictEqual(unknown("av1"), "none")
  })

  it("makes a ladder of the size that people see, for the encoder's codec", () => {
    const plan = wholeSource(source({ width: 1920, height: 1080, rotation: 90 }, [{}, {}]), {
      encoder: { ...encoder, name: "libx265", codec: "hevc" }
    })
    assert.deepStrictEqual(plan.video.map((rung) => [rung.width, rung.height, rung.maxBitrate])[0], [1080, 1920, 3500])
    assert.deepStrictEqual(renditionNames(plan).map(String), ["1080p", "720p", "480p", "360p", "audio-0", "audio-1"])
  })

  it.prop(
    "lasts as long as the longer of pictures and sound",
    { rate: standardRate, frames: int(1, 100_000), tail: int(-500, 500) },
    ({ frames, rate, tail }) => {
      const seconds = FrameRate.seconds(rate, frames)
      const sound = Math.max(0, seconds + tail / 10)
      const plan = planOf({ nominalFrameRate: rate, usualFrameRate: rate, frames, duration: seconds }, [
        { duration: sound }
      ])
      assert.strictEqual(plan.duration, FrameRate.seconds(rate, plan.frames))
      assert.isAtLeast(plan.frames, frames)
      assert.approximately(plan.duration, Math.max(seconds, sound), 0.5 + 0.5 / FrameRate.toNumber(rate))
      assert.strictEqual(plan.frames > frames, plan.normalisation.holdLastPicture > 0)
    }
  )
})
