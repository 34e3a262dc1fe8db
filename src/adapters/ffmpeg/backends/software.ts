/** Encoders that run on the processor. */
import type { VideoCodec } from "../../../domain/media/Codec.ts"
import type { Encoder } from "../../../domain/media/Encoder.ts"
import { type BackendModule, cappedBy, forcedKeyframes, keyframeInterval, memoryFormat, profile } from "./Backend.ts"

type Make = BackendModule["encodeOptions"]

/**
 * By what was measured (240 frames of 720p, processor seconds, bits at the same VMAF as x264's `medium`): x264 `faster`
 * 5.9 s and 9 % more, the best trade of its presets; x265 `superfast` 6.0 s and half; SVT-AV1 10 of version 1 5.8 s and
 * 59 % less; SVT-AV1 8 of version 4 6.5 s and 61 % less. From version 2 on the same number costs about half.
 */
const preset = ({ codec, release = 1 }: Encoder): string =>
  ({ h264: "faster", hevc: "superfast", av1: release >= 2 ? "8" : "10" })[codec]

/** On each codec's own scale. 23 is x264's default; the others look like it on the sheets that these were measured with. */
const crf: Readonly<Record<VideoCodec, number>> = { h264: 23, hevc: 26, av1: 35 }

/** Capped constant quality. */
const usual = (encoder: Encoder): ReadonlyArray<string> => [
  "-preset",
  preset(encoder),
  "-pix_fmt",
  memoryFormat(encoder.depth ?? 8),
  "-crf",
  String(crf[encoder.codec])
]

/** Scene cuts stay on: a keyframe more inside a segment does no harm. x264 closes its groups of pictures by itself. */
const h264: Make = ({ encoder, grid, maxBitrate, threads }) => [
  ...usual(encoder),
  ...profile(encoder),
  ...cappedBy(maxBitrate),
  "-x264-params",
  `keyint=${grid.framesPerSegment}:min-keyint=1`,
  ...(threads === null ? [] : ["-threads", String(threads)]),
  ...forcedKeyframes(grid)
]

/** Open groups of pictures would break switching. */
const hevc: Make = ({ encoder, grid, maxBitrate, threads }) => [
  ...usual(encoder),
  ...profile(encoder),
  ...cappedBy(maxBitrate),
  "-x265-params",
  `keyint=${grid.framesPerSegment}:min-keyint=1:open-gop=0:log-level=error${threads === null ? "" : `:pools=${threads}`}`,
  ...forcedKeyframes(grid)
]

/** Processors to SVT-AV1 1 and 2; to version 3 a level, of which this is the highest. */
const mostParallel = 6

/**
 * SVT-AV1 1.x places keyframes by its interval and ignores forced ones, so that the interval is the grid itself. Its cap
 * has no buffer to set, and its only profile has both depths.
 */
const av1: Make = ({ encoder, grid, maxBitrate, threads }) => [
  ...usual(encoder),
  "-maxrate",
  `${maxBitrate}k`,
  ...keyframeInterval(grid),
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
  // `Svt[info]: SVT [version]:\tSVT-AV1 Encoder Lib v1.4.1`
  release: /SVT-AV1 Encoder Lib v(\d+)\./,
  candidates: () => [{ device: null }],
  encodeOptions: (wish) => options[wish.encoder.codec](wish)
}
