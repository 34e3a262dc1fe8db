/** Whole outputs, as a player would be shown them: one grid of whole frames for the pictures, blocks of 1024 for the sound. */
import { Arbitrary, Schema } from "effect"
import * as FrameRate from "../../../src/domain/media/FrameRate.ts"
import type { AudioTrack, Presentation, TrackSegment, VideoTrack } from "../../../src/domain/media/Presentation.ts"
import { RenditionName } from "../../../src/domain/media/Rendition.ts"
import { initName, segmentName } from "../../../src/domain/media/Segment.ts"
import * as SegmentGrid from "../../../src/domain/media/SegmentGrid.ts"
import { hostileText, int, oneOf, standardRate } from "./arbitraries.ts"

type NonEmpty<A> = readonly [A, ...Array<A>]

const segmentsAt = (
  times: ReadonlyArray<number>,
  bytesOf: (position: number, duration: number) => number
): NonEmpty<TrackSegment> =>
  times.slice(1).map((end, position): TrackSegment => {
    const decodeTime = times[position]!
    const duration = end - decodeTime
    return { name: segmentName(position), decodeTime, duration, bytes: bytesOf(position, duration) }
  }) as [TrackSegment, ...Array<TrackSegment>]

/** Frame numbers at which segments start, and the end. */
const cuts = (grid: SegmentGrid.SegmentGrid, frames: number): ReadonlyArray<number> => [
  ...Array.from({ length: SegmentGrid.segmentCount(grid, frames) }, (_, position) => position * grid.framesPerSegment),
  frames
]

/** Sizes of segments differ, and the same draw always gives the same ones. */
const unevenBytes = (seed: number) => (position: number) => 200 + (((position + 1) * 7919 * (seed + 1)) % 1_000_003)

const rungs = [
  { name: "2160p", width: 3840, height: 2160, codecs: { h264: "avc1.640033", hevc: "hvc1.1.6.L153.90" } },
  { name: "1080p", width: 1920, height: 1080, codecs: { h264: "avc1.640028", hevc: "hvc1.1.6.L120.90" } },
  { name: "720p", width: 1280, height: 720, codecs: { h264: "avc1.64001f", hevc: "hvc1.1.6.L93.90" } },
  { name: "360p", width: 640, height: 360, codecs: { h264: "avc1.64001e", hevc: "hvc1.1.6.L63.90" } }
] as const

const audioTimescale = 48_000
const audioBlock = 1024

const toBlocks = (seconds: number) => Math.round((seconds * audioTimescale) / audioBlock) * audioBlock

export interface Draw {
  readonly frameRate: FrameRate.FrameRate
  readonly frames: number
  /** Units of the time scale that a frame of a 1-denominator rate lasts. */
  readonly ticks: number
  readonly firstRung: number
  readonly codec: "h264" | "hevc"
  readonly languages: ReadonlyArray<string>
  readonly seed: number
}

const toPresentation = (draw: Draw): Presentation => {
  const grid = SegmentGrid.make(draw.frameRate)
  const starts = cuts(grid, draw.frames)
  const timescale = draw.frameRate.numerator * draw.ticks
  const perFrame = draw.frameRate.denominator * draw.ticks
  const video = rungs.slice(draw.firstRung).map((rung, position): VideoTrack => ({
    name: RenditionName.make(rung.name),
    codecs: rung.codecs[draw.codec],
    timescale,
    init: initName,
    segments: segmentsAt(
      starts.map((frame) => frame * perFrame),
      unevenBytes(draw.seed + position)
    ),
    width: rung.width,
    height: rung.height,
    frameRate: draw.frameRate
  }))
  const seconds = starts.map((frame) => FrameRate.seconds(draw.frameRate, frame))
  // Sound shorter than one of its blocks still is one block.
  const blocks = seconds.map((time, position) => Math.max(toBlocks(time), position * audioBlock))
  const audio = draw.languages.map((language, position): AudioTrack => ({
    name: RenditionName.make(`audio-${position}`),
    codecs: "mp4a.40.2",
    timescale: audioTimescale,
    init: initName,
    segments: segmentsAt(blocks, unevenBytes(draw.seed + 100 + position)),
    sampleRate: audioTimescale,
    channels: position === 0 ? 2 : 1,
    language
  }))
  return { video: video as [VideoTrack, ...Array<VideoTrack>], audio }
}

const draws = (language: Arbitrary.Arbitrary<string>): Arbitrary.Arbitrary<Draw> =>
  Arbitrary.all({
    frameRate: standardRate,
    frames: Arbitrary.schema(int(1, 3000)),
    ticks: oneOf([1, 512, 1000]),
    firstRung: Arbitrary.schema(int(0, rungs.length - 1)),
    codec: Arbitrary.schema(Schema.Literals(["h264", "hevc"])),
    languages: Arbitrary.array(language, { maxLength: 3 }),
    seed: Arbitrary.schema(int(0, 1000))
  })

/** Valid presentations with sound in languages that exist. */
export const presentations: Arbitrary.Arbitrary<Presentation> = Arbitrary.map(
  draws(oneOf(["und", "en", "deu", "pt-BR"])),
  toPresentation
)

/** Valid presentations whose languages are whatever a file's tags held. */
export const oddlyTagged: Arbitrary.Arbitrary<Presentation> = Arbitrary.map(draws(hostileText), toPresentation)

/** Ten seconds at 25 frames a second in two sizes, with one sound track. */
export const small: Presentation = toPresentation({
  frameRate: FrameRate.make(25),
  frames: 250,
  ticks: 512,
  firstRung: 2,
  codec: "h264",
  languages: ["en"],
  seed: 1
})
