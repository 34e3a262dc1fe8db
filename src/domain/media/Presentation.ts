/** A finished output as players see it: tracks of segments, from which playlists and manifests are written. */
import { Schema } from "effect"
import { FrameRate } from "./FrameRate.ts"
import { RenditionName } from "./Rendition.ts"

/** Times in units of the track's 1/`timescale` s. */
export const TrackSegment = Schema.Struct({
  name: Schema.String,
  decodeTime: Schema.Int,
  duration: Schema.Int,
  bytes: Schema.Int
})
export interface TrackSegment extends Schema.Schema.Type<typeof TrackSegment> {}

const track = {
  name: RenditionName,
  codecs: Schema.String,
  timescale: Schema.Int,
  init: Schema.String,
  segments: Schema.NonEmptyArray(TrackSegment)
}

export const VideoTrack = Schema.Struct({
  ...track,
  width: Schema.Int,
  height: Schema.Int,
  frameRate: FrameRate
})
export interface VideoTrack extends Schema.Schema.Type<typeof VideoTrack> {}

export const AudioTrack = Schema.Struct({
  ...track,
  sampleRate: Schema.Int,
  channels: Schema.Int,
  language: Schema.String
})
export interface AudioTrack extends Schema.Schema.Type<typeof AudioTrack> {}

/** Video tracks lie on one grid and are listed largest first; the first sound track is the one that plays unasked. */
export const Presentation = Schema.Struct({
  video: Schema.NonEmptyArray(VideoTrack),
  audio: Schema.Array(AudioTrack)
})
export interface Presentation extends Schema.Schema.Type<typeof Presentation> {}

export type Track = VideoTrack | AudioTrack

/** Seconds from the start of the first segment to the end of the last. */
export const trackDuration = (track: Track): number =>
  track.segments.reduce((sum, segment) => sum + segment.duration, 0) / track.timescale

export const duration = (presentation: Presentation): number =>
  Math.max(...[...presentation.video, ...presentation.audio].map(trackDuration))

interface Piece {
  readonly bytes: number
  /** In units of 1/`timescale` s, a whole number. */
  readonly duration: number
}

/** Reckoned like each other, or rounding lifts an average above a peak. */
const bitrate = ({ bytes, duration }: Piece, timescale: number) => Math.ceil((bytes * 8 * timescale) / duration)

const together = (pieces: ReadonlyArray<Piece>): Piece =>
  pieces.reduce((sum, piece) => ({ bytes: sum.bytes + piece.bytes, duration: sum.duration + piece.duration }), {
    bytes: 0,
    duration: 0
  })

/** Of neighbours that last from half to one and a half times as long as the longest of all. */
const runs = function* (pieces: ReadonlyArray<Piece>): Generator<Piece> {
  const longest = Math.max(...pieces.map(({ duration }) => duration))
  for (const first of pieces.keys()) {
    let run: Piece = { bytes: 0, duration: 0 }
    for (let next = first; next < pieces.length && run.duration <= longest * 1.5; next += 1) {
      run = together([run, pieces[next]!])
      if (run.duration >= longest * 0.5 && run.duration <= longest * 1.5) yield run
    }
  }
}

/**
 * Bits per second of the costliest part: `BANDWIDTH` and the peak of RFC 8216 section 4.1, `@bandwidth` of ISO/IEC
 * 23009-1. What is much shorter than the others is counted with its neighbours: a last segment of one picture, which is
 * a keyframe, or of one sample of sound has a rate that no player ever sees.
 */
export const peakBitrate = ({ segments, timescale }: Track): number => {
  let peak = bitrate(together(segments), timescale)
  for (const run of runs(segments)) peak = Math.max(peak, bitrate(run, timescale))
  return peak
}

/** Bits per second over the whole track: `AVERAGE-BANDWIDTH`. */
export const averageBitrate = (track: Track): number => bitrate(together(track.segments), track.timescale)
