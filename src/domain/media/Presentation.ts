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

/** Bits per second of the costliest segment: `BANDWIDTH` of RFC 8216 section 4.3.4.2, `@bandwidth` of ISO/IEC 23009-1. */
export const peakBitrate = (track: Track): number =>
  Math.ceil(Math.max(...track.segments.map((segment) => (segment.bytes * 8 * track.timescale) / segment.duration)))

/** Bits per second over the whole track: `AVERAGE-BANDWIDTH`. Reckoned like the peak, or rounding lifts it above that. */
export const averageBitrate = (track: Track): number => {
  const bytes = track.segments.reduce((sum, segment) => sum + segment.bytes, 0)
  const duration = track.segments.reduce((sum, segment) => sum + segment.duration, 0)
  return Math.ceil((bytes * 8 * track.timescale) / duration)
}
