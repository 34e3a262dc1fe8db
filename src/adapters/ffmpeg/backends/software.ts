/** Encoders that run on the processor. */
import type { VideoCodec } from "../../../domain/media/Codec.ts"
import { type BackendModule, cappedBy, forcedKeyframes, hvc1 } from "./Backend.ts"

type Make = BackendModule["encodeOptions"]

/**
 * `faster` costs 0.66 of `medium`'s processor time for 9 % more bits, the best trade of x264's presets. Scene cuts stay
 * on: a keyframe more inside a segment does no harm. x264 closes its groups of pictures by itself.
 */
const h264: Make = ({ grid, maxBitrate, threads }) => [
  "-preset",
  "faster",
  "-profile:v",
  "high",
  "-pix_fmt",
  "yuv420p",
  "-crf",
  "23",
  ...cappedBy(maxBitrate),
  "-x264-params",
  `keyint=${grid.framesPerSegment}:min-keyint=1`,
  ...(threads === null ? [] : ["-threads", String(threads)]),
  ...forcedKeyframes(grid)
]

/** Open groups of pictures would break switching. */
const hevc: Make = ({ grid, maxBitrate, threads }) => [
  "-preset",
  "superfast",
  "-pix_fmt",
  "yuv420p",
  ...hvc1,
  "-crf",
  "26",
  ...cappedBy(maxBitrate),
  "-x265-params",
  `keyint=${grid.framesPerSegment}:min-keyint=1:open-gop=0:log-level=error${threads === null ? "" : `:pools=${threads}`}`,
  ...forcedKeyframes(grid)
]

/** Processors to SVT-AV1 1 and 2; to version 3 a level, of which this is the highest. */
const mostParallel = 6

/** SVT-AV1 1.x places keyframes by its interval and ignores forced ones, so that the interval is the grid itself. */
const av1: Make = ({ grid, maxBitrate, threads }) => [
  "-preset",
  "10",
  "-pix_fmt",
  "yuv420p",
  "-crf",
  "35",
  "-maxrate",
  `${maxBitrate}k`,
  "-g",
  String(grid.framesPerKeyframe),
  "-svtav1-params",
  `irefresh-type=2:scd=0${threads === null ? "" : `:lp=${Math.min(threads, mostParallel)}`}`
]

const options: Readonly<Record<VideoCodec, Make>> = { h264, hevc, av1 }

export const software: BackendModule = {
  backend: "software",
  encoders: [
    { name: "libx264", codec: "h264" },
    { name: "libx265", codec: "hevc" },
    { name: "libsvtav1", codec: "av1" }
  ],
  modes: [undefined],
  candidates: () => [{ device: null }],
  encodeOptions: (wish) => options[wish.encoder.codec](wish)
}
