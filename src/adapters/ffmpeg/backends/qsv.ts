/** Intel's GPUs through Quick Sync (oneVPL or Media SDK). */
import type { VideoCodec } from "../../../domain/media/Codec.ts"
import type { BackendModule } from "./Backend.ts"
import { aimingBelow, forcedKeyframes, keyframeInterval, profile, spareSurfaces, surfaceFormat } from "./Backend.ts"

/** Goes to `-global_quality`, 1 to 51 for every codec. */
const qualities: Readonly<Record<VideoCodec, number>> = { h264: 23, hevc: 26, av1: 30 }

/**
 * Every I-frame is an IDR frame: zero says so for both, because ffmpeg adds one where HEVC counts differently. There is no
 * such distance in AV1: a key frame is where decoding may start.
 */
const everyIntra: Readonly<Record<VideoCodec, ReadonlyArray<string>>> = {
  h264: ["-idr_interval", "0"],
  hevc: ["-idr_interval", "0"],
  av1: []
}

export const qsv: BackendModule = {
  backend: "qsv",
  encoders: [
    { name: "h264_qsv", codec: "h264" },
    { name: "hevc_qsv", codec: "hevc" },
    { name: "av1_qsv", codec: "av1" }
  ],
  modes: ["quality", "bitrate"],
  candidates: ({ renderNodes, withoutRenderNodes }) => {
    const nodes = renderNodes.filter((node) => node.vendor === "intel")
    if (nodes.length > 0) return nodes
    return renderNodes.length === 0 ? withoutRenderNodes : "no GPU of Intel in /dev/dri"
  },
  hardware: {
    // Through VA-API, because only that way can one of several GPUs be named.
    open: (device) => [
      "-init_hw_device",
      `vaapi=va:${device}`,
      "-init_hw_device",
      "qsv=gpu@va",
      "-filter_hw_device",
      "gpu"
    ],
    decode: [
      "-hwaccel",
      "qsv",
      "-hwaccel_device",
      "gpu",
      "-hwaccel_output_format",
      "qsv",
      "-extra_hw_frames",
      String(spareSurfaces)
    ],
    surface: "qsv",
    // Quick Sync's pools do not grow: the number must cover what the encoders hold.
    upload: `hwupload=extra_hw_frames=${spareSurfaces * 2},format=qsv`,
    scale: ({ height, width }, depth) => `vpp_qsv=w=${width}:h=${height}:format=${surfaceFormat(depth)}`,
    uploadsByItself: true
  },
  encodeOptions: ({ encoder, grid, maxBitrate }) => [
    "-preset",
    "medium",
    // Quality, mean and cap together make QVBR; mean and cap alone make VBR, which every generation has.
    ...(encoder.mode === "bitrate" ? [] : ["-global_quality", String(qualities[encoder.codec])]),
    ...aimingBelow(maxBitrate),
    ...profile(encoder),
    ...everyIntra[encoder.codec],
    // The default of -1 (H.264) or 248 (HEVC) frames knows nothing of the grid.
    ...keyframeInterval(grid),
    ...forcedKeyframes(grid),
    "-forced_idr",
    "1"
  ]
}
