/** The renditions chosen for a source. */
import type { VideoCodec } from "./Codec.ts"
import * as Rate from "./FrameRate.ts"
import type { AudioRendition, VideoRendition } from "./Rendition.ts"
import { RenditionName } from "./Rendition.ts"
import type { AudioStream } from "./Source.ts"

/** The most that a second of a rung may take, in kbit/s: up to 35 frames a second, and above. */
interface Rung {
  readonly shortSide: number
  readonly usual: number
  readonly fast: number
}

/** Rungs are named by the short side, so that a portrait video of 1080x1920 is "1080p" as well. */
const rung = (shortSide: number, usual: number, fast: number): Rung => ({ shortSide, usual, fast })

/**
 * H.264 up to 1440p lies a little below the example of Apple's authoring specification (1.25: 6000 at 1080p, 3000 at
 * 720p), whose numbers are averages of a bit rate where ours are caps above a constant quality. HEVC against H.264 is as
 * there, 0.7 to 0.75 for HD and less above. For AV1 it says nothing: 0.6, where measurements of SVT-AV1 on easy material
 * save more than half. Twice the frames need half as much again, because neighbours are more alike.
 */
const ladders: Readonly<Record<VideoCodec, readonly [Rung, ...ReadonlyArray<Rung>]>> = {
  h264: [
    rung(2160, 15000, 22500),
    rung(1440, 8000, 12000),
    rung(1080, 5000, 7500),
    rung(720, 2500, 3750),
    rung(480, 1000, 1500),
    rung(360, 600, 900)
  ],
  hevc: [
    rung(2160, 10000, 15000),
    rung(1440, 5500, 8250),
    rung(1080, 3500, 5250),
    rung(720, 1800, 2700),
    rung(480, 750, 1125),
    rung(360, 450, 675)
  ],
  av1: [
    rung(2160, 8500, 12750),
    rung(1440, 4700, 7050),
    rung(1080, 3000, 4500),
    rung(720, 1500, 2250),
    rung(480, 600, 900),
    rung(360, 360, 540)
  ]
}

/** The same for every codec, so that their renditions go by the same names. */
const shortSides = ladders.h264.map(({ shortSide }) => shortSide)
const largest = ladders.h264[0].shortSide

/** 1072 lines are still "1080p", and 900 are more than "720p": a source this much above the best rung gets one of its own. */
const tolerance = 1.05
const ownRungAbove = 1.15

/** The nearest even number of pixels that the source has: a row that it lacks would be invented. */
const even = (pixels: number, available: number) =>
  Math.max(2, 2 * Math.min(Math.round(pixels / 2), Math.floor(available / 2)))

/** Longer than any film's. How many pixels such a picture has is not to be seen from its short side. */
const panorama = 2.5

/** The short side of a screen with as many pixels. */
const screenSide = (long: number, short: number) =>
  long / short > panorama ? Math.sqrt((long * short * 9) / 16) : short

/** kbit/s; between two rungs by the area of the picture. */
const capFor = (shortSide: number, codec: VideoCodec, frameRate: Rate.FrameRate): number => {
  const ladder = ladders[codec]
  const above = ladder.findLast((rung) => rung.shortSide >= shortSide) ?? ladder[0]
  const cap = Rate.isHigh(frameRate) ? above.fast : above.usual
  return Math.round(cap * (shortSide / above.shortSide) ** 2)
}

/** Who gets no more than this has a small screen or a slow link: sharpness is worth more there than every frame. */
const halfRateUpTo = 480

/**
 * Video renditions for a displayed size in pixels, largest first. Never larger than the source; a source below the
 * lowest rung keeps its own size in a single one. Small rungs below the first have half of a high frame rate.
 */
export const videoLadder = (options: {
  readonly width: number
  readonly height: number
  readonly frameRate: Rate.FrameRate
  readonly codec: VideoCodec
}): ReadonlyArray<VideoRendition> => {
  const sourceShort = Math.min(options.width, options.height)
  const fitting = shortSides.filter((shortSide) => shortSide <= sourceShort * tolerance)
  const best = fitting[0]
  const sides =
    best === undefined || (sourceShort > best * ownRungAbove && best < largest)
      ? [even(sourceShort, sourceShort), ...fitting]
      : fitting
  return sides.map((shortSide, position) => {
    const scale = Math.min(1, shortSide / sourceShort)
    const longSide = Math.max(options.width, options.height) * scale
    const halved = position > 0 && shortSide <= halfRateUpTo && Rate.isHigh(options.frameRate)
    return {
      name: RenditionName.make(`${shortSide}p`),
      width: even(options.width * scale, options.width),
      height: even(options.height * scale, options.height),
      maxBitrate: capFor(
        screenSide(longSide, shortSide),
        options.codec,
        halved ? Rate.half(options.frameRate) : options.frameRate
      ),
      frameStep: halved ? 2 : 1
    }
  })
}

/** Those with the names that the older protocol knows; what is smaller than all of them goes by the name of the smallest. */
export const standardRungs = (ladder: ReadonlyArray<VideoRendition>): ReadonlyArray<VideoRendition> => {
  const known = new Set(shortSides.map((shortSide) => `${shortSide}p`))
  const standard = ladder.filter(({ name }) => known.has(name))
  return standard.length > 0
    ? standard
    : ladder.slice(0, 1).map((rendition) => ({ ...rendition, name: RenditionName.make("360p") }))
}

/** Up to so many channels have a usual place where nobody says it: front, side and back. */
const usualChannels = 8

/**
 * Of channels without places of loudspeakers. A sphere is heard by two microphones, which point to its sides; of more
 * channels than have a usual place each weighs the same, so that all together are not too loud.
 */
const mixOf = ({ arrangement, channels }: AudioStream): AudioRendition["mix"] => {
  if (arrangement === "sphere" && channels >= 4) return { left: [0.5, 0.5], right: [0.5, -0.5] }
  if (arrangement !== "unknown" || channels <= usualChannels) return null
  const alike = Array.from({ length: channels }, () => 1 / channels)
  return { left: alike, right: alike }
}

/** One AAC track for each of the source's, encoded once and shared by every video rendition. */
export const audioLadder = (streams: ReadonlyArray<AudioStream>): ReadonlyArray<AudioRendition> =>
  streams.map((stream, position) => ({
    name: RenditionName.make(`audio-${position}`),
    stream: stream.index,
    language: stream.language,
    channels: stream.channels === 1 ? 1 : 2,
    mix: mixOf(stream),
    bitrate: stream.channels === 1 ? 96 : 128
  }))
