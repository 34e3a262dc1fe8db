/** The codecs of a ladder. */
import { Schema } from "effect"

export const VideoCodec = Schema.Literals(["h264", "hevc", "av1"])
export type VideoCodec = typeof VideoCodec.Type

/**
 * Bits that a codec needs against H.264 for the same picture. Deliberately careful: measured savings on easy material
 * are twice as large, and a cap that is too low shows.
 */
export const relativeBitrate: Readonly<Record<VideoCodec, number>> = { h264: 1, hevc: 0.7, av1: 0.6 }
