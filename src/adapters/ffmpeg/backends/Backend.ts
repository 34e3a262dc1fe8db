/** What a backend has to know: its encoders, and the options that make them do what a plan wants. */
import type { VideoCodec } from "../../../domain/media/Codec.ts"
import type { Backend, Encoder } from "../../../domain/media/Encoder.ts"
import type { SegmentGrid } from "../../../domain/media/SegmentGrid.ts"

export interface BackendModule {
  readonly backend: Backend
  readonly encoders: ReadonlyArray<{ readonly name: string; readonly codec: VideoCodec }>
  /** Options of one output. `maxBitrate` in kbit/s caps each second (VBV); quality is constant below it. */
  encodeOptions(options: {
    readonly encoder: Encoder
    readonly maxBitrate: number
    readonly grid: SegmentGrid
  }): ReadonlyArray<string>
}

/** Keyframes on the grid of whole frames. Counted in frames: a time expression drifts at 29.97. */
export const forcedKeyframes = (grid: SegmentGrid): ReadonlyArray<string> => [
  "-force_key_frames",
  `expr:eq(mod(n,${grid.framesPerKeyframe}),0)`
]

/** Two seconds' worth of buffer: what players hold anyway. */
export const cappedBy = (maxBitrate: number): ReadonlyArray<string> => [
  "-maxrate",
  `${maxBitrate}k`,
  "-bufsize",
  `${maxBitrate * 2}k`
]
