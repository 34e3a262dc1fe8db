/** What a backend has to know: its encoders, its devices, and the options that make them do what a plan wants. */
import type { Depth, VideoCodec } from "../../../domain/media/Codec.ts"
import type { Backend, Encoder, Vendor } from "../../../domain/media/Encoder.ts"
import type { SegmentGrid } from "../../../domain/media/SegmentGrid.ts"
import type { Machine } from "../Machine.ts"

/** A place to encode. `problem`: why it is not even worth a trial. */
export interface Candidate {
  readonly device: string | null
  readonly vendor?: Vendor
  readonly problem?: string
}

export interface Size {
  readonly width: number
  readonly height: number
}

/** A device with memory of its own, and how pictures get there. */
export interface Hardware {
  /** Opens the device, for the decoder, the filters and the encoders alike. Placed before the input. */
  open(device: string): ReadonlyArray<string>
  /** What the programs have to be told that no option says. */
  readonly environment?: Readonly<Record<string, string>>
  /** Decodes into the device's memory what the device can decode, and the rest on the processor. Placed before the input. */
  readonly decode: ReadonlyArray<string>
  /** ffmpeg's name for pictures in the device's memory. */
  readonly surface: string
  /** From the processor's memory into the device's. A picture that is there already passes. */
  readonly upload: string
  /** Scales in the device's memory, to `depth` bits. */
  scale(size: Size, depth: Depth): string
  /** The encoder itself takes pictures from the processor's memory. */
  readonly uploadsByItself: boolean
}

export interface BackendModule {
  readonly backend: Backend
  readonly encoders: ReadonlyArray<{ readonly name: string; readonly codec: VideoCodec }>
  /** Ways of rate control, best first: not every device has each. The first that makes a few frames is used. */
  readonly modes: readonly [string | undefined, ...ReadonlyArray<string>]
  /** Finds the major version of an encoder's library in what it says of itself, where its options depend on that. */
  readonly release?: RegExp
  /** Where on this machine its encoders may be, or why nowhere. */
  candidates(machine: Machine): ReadonlyArray<Candidate> | string
  readonly hardware?: Hardware
  /** Options of one output. `maxBitrate` in kbit/s caps each second (VBV); quality is constant below it. */
  encodeOptions(options: {
    readonly encoder: Encoder
    readonly maxBitrate: number
    readonly grid: SegmentGrid
    /** For this encoder, where it runs on the processor; null leaves it to the encoder. */
    readonly threads: number | null
  }): ReadonlyArray<string>
}

/** Keyframes on the grid of whole frames. Counted in frames: a time expression drifts at 29.97. */
export const forcedKeyframes = (grid: SegmentGrid): ReadonlyArray<string> => [
  "-force_key_frames",
  `expr:eq(mod(n,${grid.framesPerKeyframe}),0)`
]

/** For encoders with a counter of their own: it starts again at each forced keyframe, so that the two never disagree. */
export const keyframeInterval = (grid: SegmentGrid): ReadonlyArray<string> => ["-g", String(grid.framesPerKeyframe)]

/** Two seconds' worth of buffer: what players hold anyway. */
export const cappedBy = (maxBitrate: number): ReadonlyArray<string> => [
  "-maxrate",
  `${maxBitrate}k`,
  "-bufsize",
  `${maxBitrate * 2}k`
]

/** Where a mean has to be named beside the cap. Half of it is what people's videos take on average at our qualities. */
export const aimingBelow = (maxBitrate: number): ReadonlyArray<string> => [
  "-b:v",
  `${Math.round(maxBitrate / 2)}k`,
  ...cappedBy(maxBitrate)
]

/** The sample entry of HEVC that players of HLS want. */
const hvc1: ReadonlyArray<string> = ["-tag:v", "hvc1"]

/** Profiles of hardware: without one each driver takes its own. AV1's Main has both depths. */
export const profile = ({ codec, depth }: Encoder): ReadonlyArray<string> =>
  ({
    h264: ["-profile:v", "high"],
    hevc: ["-profile:v", depth === undefined ? "main" : "main10", ...hvc1],
    av1: ["-profile:v", "main"]
  })[codec]

/** ffmpeg's names for pictures as hardware takes them, and as the processor's encoders do. */
export const surfaceFormat = (depth: Depth) => (depth === 8 ? "nv12" : "p010le")
export const memoryFormat = (depth: Depth) => (depth === 8 ? "yuv420p" : "yuv420p10le")

/** Held by the filters and by each rung's encoder while the decoder goes on. The decoders' own few are not enough. */
export const spareSurfaces = 32
