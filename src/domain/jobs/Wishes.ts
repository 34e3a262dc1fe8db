/** What an owner asks of a job beyond its video, and what follows from it for who should get it. */
import { Schema } from "effect"
import { VideoCodec } from "../media/Codec.ts"
import type { SourceFacts } from "../videos/Video.ts"

/** A required codec is made or nothing is; a preferred one gives way to what the worker can do. */
export const WantedCodec = Schema.Struct({ name: VideoCodec, required: Schema.Boolean })
export interface WantedCodec extends Schema.Schema.Type<typeof WantedCodec> {}

export interface Wishes {
  /** The greater the earlier. */
  readonly priority: number
  /** Not before this time, if one is named. */
  readonly runAt?: Date | null
  /** The worker's own choice where nothing is said. */
  readonly codec?: WantedCodec | null
}

/** Work of a processor for the same pictures, in round numbers. A device has about the same with all of them. */
export const processorCost: Readonly<Record<VideoCodec, number>> = { h264: 1, hevc: 4, av1: 6 }

/** Pictures of two minutes of 1080p: what a processor is done with before a device was worth waiting for. */
export const worthWaiting = 1920 * 1080 * 120

/** Of a source that nobody has probed yet only its size is known; 1080p of 8 Mbit/s has this many bytes. */
export const bytesPerPixelSecond = 0.5

/**
 * Whether a job gains so much from a GPU that a machine without one should leave it to an idle machine with one. Counted
 * in pixels of the picture times seconds, because the work grows with both.
 */
export const profitsFromGpu = (
  source: { readonly bytes: number; readonly facts: SourceFacts | null },
  codec: VideoCodec
): boolean => {
  const { bytes, facts } = source
  const pixelSeconds = facts === null ? bytes / bytesPerPixelSecond : facts.width * facts.height * facts.duration
  return pixelSeconds * processorCost[codec] >= worthWaiting
}
