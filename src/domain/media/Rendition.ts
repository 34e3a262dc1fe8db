/** One rung of the ladder, or one sound track: what is to be made, before anything is encoded. */
import { Schema } from "effect"

/** Used as a folder name and in addresses: `1080p`, `audio-0`. */
export const RenditionName = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[a-z0-9][a-z0-9-]{0,31}$/)),
  Schema.brand("RenditionName")
)
export type RenditionName = typeof RenditionName.Type

/**
 * Size in pixels, bit rate in kbit/s: the most that a second may take (VBV), not the average. Of the frames of the grid
 * one in `frameStep` is in it.
 */
export const VideoRendition = Schema.Struct({
  name: RenditionName,
  width: Schema.Int,
  height: Schema.Int,
  maxBitrate: Schema.Int,
  frameStep: Schema.Literals([1, 2])
})
export interface VideoRendition extends Schema.Schema.Type<typeof VideoRendition> {}

/** `stream` is the source's stream index, bit rate in kbit/s. More than two channels are mixed down. */
export const AudioRendition = Schema.Struct({
  name: RenditionName,
  stream: Schema.Int,
  language: Schema.String,
  channels: Schema.Literals([1, 2]),
  /** How much of each channel is in the left and in the right one; null where their places say it. */
  mix: Schema.NullOr(Schema.Struct({ left: Schema.Array(Schema.Finite), right: Schema.Array(Schema.Finite) })),
  bitrate: Schema.Int
})
export interface AudioRendition extends Schema.Schema.Type<typeof AudioRendition> {}
