/** The codecs of a ladder. */
import { Schema } from "effect"

export const VideoCodec = Schema.Literals(["h264", "hevc", "av1"])
export type VideoCodec = typeof VideoCodec.Type

/** How many bits a sample of a picture has. */
export type Depth = 8 | 10

/**
 * What a source of this depth becomes. Whoever plays HEVC or AV1 plays 10 bit as well (Main 10 since 2015, and every AV1
 * decoder must), and skies keep their smoothness; H.264 of 10 bit plays in no browser.
 */
export const outputDepth = (codec: VideoCodec, sourceDepth: number): Depth =>
  codec !== "h264" && sourceDepth > 8 ? 10 : 8
