/** The renditions chosen for a source. */
import type { VideoCodec } from "./Codec.ts"
import { relativeBitrate } from "./Codec.ts"
import type { FrameRate } from "./FrameRate.ts"
import { toNumber } from "./FrameRate.ts"
import type { AudioRendition, VideoRendition } from "./Rendition.ts"
import { RenditionName } from "./Rendition.ts"
import type { AudioStream } from "./Source.ts"

/** Rungs are named by the short side, so that a portrait video of 1080x1920 is "1080p" as well. kbit/s for H.264 at 30 frames a second. */
const rungs: ReadonlyArray<{ readonly shortSide: number; readonly bitrate: number }> = [
  { shortSide: 2160, bitrate: 15000 },
  { shortSide: 1440, bitrate: 8000 },
  { shortSide: 1080, bitrate: 5000 },
  { shortSide: 720, bitrate: 2500 },
  { shortSide: 480, bitrate: 1000 },
  { shortSide: 360, bitrate: 600 }
]

/** 1072 lines are still "1080p", and 900 are more than "720p": a source this much above the best rung gets one of its own. */
const tolerance = 1.05
const ownRungAbove = 1.15

/** The nearest even number of pixels that the source has: a row that it lacks would be invented. */
const even = (pixels: number, available: number) =>
  Math.max(2, 2 * Math.min(Math.round(pixels / 2), Math.floor(available / 2)))

/** Twice the pictures do not need twice the bits: neighbours are more alike. */
const rateFactor = (rate: FrameRate) => (toNumber(rate) > 35 ? 1.5 : 1)

/** kbit/s for a short side between two rungs, by the area of the picture. */
const bitrateFor = (shortSide: number): number => {
  const above = rungs.findLast((rung) => rung.shortSide >= shortSide) ?? rungs[0]!
  return Math.round(above.bitrate * Math.min(1, (shortSide / above.shortSide) ** 2))
}

/**
 * Video renditions for a displayed size in pixels, largest first. Never larger than the source; a source below the
 * lowest rung keeps its own size in a single one.
 */
export const videoLadder = (options: {
  readonly width: number
  readonly height: number
  readonly frameRate: FrameRate
  readonly codec: VideoCodec
}): ReadonlyArray<VideoRendition> => {
  const sourceShort = Math.min(options.width, options.height)
  const fitting = rungs.map((rung) => rung.shortSide).filter((shortSide) => shortSide <= sourceShort * tolerance)
  const best = fitting[0]
  const sides =
    best === undefined || (sourceShort > best * ownRungAbove && best < rungs[0]!.shortSide)
      ? [even(sourceShort, sourceShort), ...fitting]
      : fitting
  return sides.map((shortSide) => {
    const scale = Math.min(1, shortSide / sourceShort)
    return {
      name: RenditionName.make(`${shortSide}p`),
      width: even(options.width * scale, options.width),
      height: even(options.height * scale, options.height),
      maxBitrate: Math.round(bitrateFor(shortSide) * relativeBitrate[options.codec] * rateFactor(options.frameRate))
    }
  })
}

/** Those with the names that the older protocol knows; what is smaller than all of them goes by the name of the smallest. */
export const standardRungs = (ladder: ReadonlyArray<VideoRendition>): ReadonlyArray<VideoRendition> => {
  const known = new Set(rungs.map(({ shortSide }) => `${shortSide}p`))
  const standard = ladder.filter(({ name }) => known.has(name))
  return standard.length > 0
    ? standard
    : ladder.slice(0, 1).map((rendition) => ({ ...rendition, name: RenditionName.make("360p") }))
}

/** One AAC track for each of the source's, encoded once and shared by every video rendition. */
export const audioLadder = (streams: ReadonlyArray<AudioStream>): ReadonlyArray<AudioRendition> =>
  streams.map((stream, position) => ({
    name: RenditionName.make(`audio-${position}`),
    stream: stream.index,
    language: stream.language,
    channels: stream.channels === 1 ? 1 : 2,
    bitrate: stream.channels === 1 ? 96 : 128
  }))
