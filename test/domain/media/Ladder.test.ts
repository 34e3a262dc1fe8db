import { assert, describe, it } from "@effect/vitest"
import { VideoCodec } from "../../../src/domain/media/Codec.ts"
import * as FrameRate from "../../../src/domain/media/FrameRate.ts"
import { audioLadder, videoLadder } from "../../../src/domain/media/Ladder.ts"
import { int, standardRate } from "../support/arbitraries.ts"
import { audioStream } from "../support/sources.ts"

const h264At25 = { frameRate: FrameRate.make(25), codec: "h264" } as const

const sizes = (width: number, height: number) =>
  videoLadder({ ...h264At25, width, height }).map((rung) => `${rung.name} ${rung.width}x${rung.height}`)

const caps = (options: Partial<Parameters<typeof videoLadder>[0]>) =>
  videoLadder({ ...h264At25, width: 1920, height: 1080, ...options }).map((rung) => rung.maxBitrate)

describe("the video ladder", () => {
  it("has the usual rungs for the usual sizes", () => {
    assert.deepStrictEqual(sizes(1920, 1080), ["1080p 1920x1080", "720p 1280x720", "480p 854x480", "360p 640x360"])
    assert.strictEqual(sizes(3840, 2160)[0], "2160p 3840x2160")
    assert.lengthOf(sizes(3840, 2160), 6)
  })

  it("names rungs by the short side, so that a portrait video is 1080p too", () => {
    assert.deepStrictEqual(sizes(1080, 1920), ["1080p 1080x1920", "720p 720x1280", "480p 480x854", "360p 360x640"])
  })

  it("takes 1072 lines as 1080p, without enlarging them", () => {
    assert.strictEqual(sizes(1920, 1072)[0], "1080p 1920x1072")
    assert.strictEqual(sizes(1906, 1029)[0], "1080p 1906x1028")
  })

  it("gives 900 lines a rung of their own above 720p", () => {
    assert.deepStrictEqual(sizes(1600, 900), ["900p 1600x900", "720p 1280x720", "480p 854x480", "360p 640x360"])
  })

  it("gives no rung of its own to a source just above one", () => {
    assert.strictEqual(sizes(1422, 800)[0], "720p 1280x720")
  })

  it("gives more than 2160 lines 2160p at best", () => {
    assert.strictEqual(sizes(7680, 4320)[0], "2160p 3840x2160")
  })

  it("gives a source below 360 lines one rung of its own size", () => {
    assert.deepStrictEqual(sizes(320, 240), ["240p 320x240"])
    assert.deepStrictEqual(sizes(16, 16), ["16p 16x16"])
    assert.deepStrictEqual(sizes(480, 351), ["360p 480x350"])
  })

  it("scales a film by its lines, keeping its width", () => {
    assert.deepStrictEqual(sizes(1920, 800).slice(0, 2), ["720p 1728x720", "480p 1152x480"])
  })

  it("asks fewer bits of better codecs", () => {
    assert.deepStrictEqual(caps({}), [5000, 2500, 1000, 600])
    assert.deepStrictEqual(caps({ codec: "hevc" }), [3500, 1800, 750, 450])
    assert.deepStrictEqual(caps({ codec: "av1" }), [3000, 1500, 600, 360])
  })

  it("asks them fewer still where pictures are large", () => {
    const large = { width: 3840, height: 2160 }
    assert.deepStrictEqual(caps(large).slice(0, 2), [15000, 8000])
    assert.deepStrictEqual(caps({ ...large, codec: "hevc" }).slice(0, 2), [10000, 5500])
    assert.deepStrictEqual(caps({ ...large, codec: "av1" }).slice(0, 2), [8500, 4700])
  })

  it("allows more bits to twice the frames, but not twice as many", () => {
    assert.deepStrictEqual(caps({ frameRate: FrameRate.make(60) }), [7500, 3750, 1000, 600])
    assert.deepStrictEqual(caps({ frameRate: FrameRate.make(48) }), [7500, 3750, 1000, 600])
    assert.deepStrictEqual(caps({ frameRate: FrameRate.make(60), codec: "hevc" }), [5250, 2700, 750, 450])
    assert.deepStrictEqual(caps({ frameRate: FrameRate.make(50), codec: "av1" }), [4500, 2250, 600, 360])
    assert.deepStrictEqual(caps({ frameRate: FrameRate.make(60), width: 854, height: 480 }), [1500, 600])
    assert.deepStrictEqual(caps({ frameRate: FrameRate.make(30) }), [5000, 2500, 1000, 600])
  })

  it("gives small rungs half of a high rate, and the first one all of it", () => {
    const steps = (options: Partial<Parameters<typeof videoLadder>[0]>) =>
      videoLadder({ ...h264At25, width: 1920, height: 1080, ...options }).map((rung) => rung.frameStep)
    assert.deepStrictEqual(steps({ frameRate: FrameRate.make(60000, 1001) }), [1, 1, 2, 2])
    assert.deepStrictEqual(steps({ frameRate: FrameRate.make(48), width: 854, height: 480 }), [1, 2])
    assert.deepStrictEqual(steps({ frameRate: FrameRate.make(60), width: 640, height: 360 }), [1])
    assert.deepStrictEqual(steps({ frameRate: FrameRate.make(30) }), [1, 1, 1, 1])
  })

  it("allows a rung between two others bits between theirs", () => {
    const [own, below] = caps({ width: 1600, height: 900 })
    assert.strictEqual(own, 3472)
    assert.strictEqual(below, 2500)
  })

  it("counts the pixels of what is longer than any film", () => {
    assert.deepStrictEqual(caps({ width: 64, height: 4096 }), [640])
    assert.deepStrictEqual(caps({ width: 4096, height: 64 }), [640])
  })

  it.prop(
    "is good for every size",
    { width: int(16, 8192), height: int(16, 8192), codec: VideoCodec, frameRate: standardRate },
    (options) => {
      const ladder = videoLadder(options)
      const short = Math.min(options.width, options.height)
      assert.isNotEmpty(ladder)
      assert.strictEqual(new Set(ladder.map((rung) => rung.name)).size, ladder.length, "unique names")
      ladder.forEach((rung, position) => {
        assert.strictEqual(rung.width % 2, 0, "even width")
        assert.strictEqual(rung.height % 2, 0, "even height")
        assert.isAtMost(rung.width, options.width, "never wider than the source")
        assert.isAtMost(rung.height, options.height, "never higher than the source")
        const exact = Math.min(1, Number.parseInt(rung.name, 10) / short)
        assert.approximately(rung.width, options.width * exact, 2, "aspect kept")
        assert.approximately(rung.height, options.height * exact, 2, "aspect kept")
        assert.approximately(
          Math.min(rung.width, rung.height),
          Number.parseInt(rung.name, 10),
          short * 0.05 + 2,
          "named by the short side"
        )
        assert.isAbove(rung.maxBitrate, 0)
        const next = ladder[position + 1]
        if (next === undefined) return
        assert.isAbove(rung.width * rung.height, next.width * next.height, "largest first")
        assert.isAbove(rung.maxBitrate, next.maxBitrate, "more bits for more pixels")
      })
      const [best] = ladder
      assert.isAtLeast(
        Math.min(best!.width, best!.height),
        Math.min(short / 1.15, 2160) - 1,
        "close to what the source has"
      )
    }
  )
})

describe("the sound tracks", () => {
  it("are one for each of the source's, mixed down to two channels", () => {
    assert.deepStrictEqual(
      audioLadder([
        audioStream({ index: 1, channels: 6, language: "en" }),
        audioStream({ index: 3, channels: 1, language: "de" })
      ]).map(({ name, ...rendition }) => ({ name: String(name), ...rendition })),
      [
        { name: "audio-0", stream: 1, language: "en", channels: 2, mix: null, bitrate: 128 },
        { name: "audio-1", stream: 3, language: "de", channels: 1, mix: null, bitrate: 96 }
      ]
    )
  })

  it("are none where the source has none", () => {
    assert.deepStrictEqual(audioLadder([]), [])
  })
})
