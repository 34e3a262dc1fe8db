/** Intel's GPUs through Quick Sync (oneVPL or Media SDK). */
import type { VideoCodec } from "../../../domain/media/Codec.ts"
import type { BackendModule } from "./Backend.ts"
import { aimingBelow, forcedKeyframes, hvc1, keyframeInterval, spareSurfaces } from "./Backend.ts"

/** `quality` goes to `-global_quality`, 1 to 51 for every codec. */
const codecs: Readonly<Record<VideoCodec, { readonly quality: number; readonly own: ReadonlyArray<string> }>> = {
  // Zero means the same for both, every I-frame is an IDR frame: ffmpeg adds one where HEVC counts differently.
  h264: { quality: 23, own: ["-profile:v", "high", "-idr_interval", "0"] },
  hevc: { quality: 26, own: ["-profile:v", "main", "-idr_interval", "0", ...hvc1] },
  // There is no such distance in AV1: a key frame is where decoding may start.
  av1: { quality: 30, own: ["-profile:v", "main"] }
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
    scale: ({ height, width }) => `vpp_qsv=w=${width}:h=${height}:format=nv12`,
    uploadsByItself: true
  },
  encodeOptions: ({ encoder, grid, maxBitrate }) => {
    const { own, quality } = codecs[encoder.codec]
    return [
      "-preset",
      "medium",
      // Quality, mean and cap together make QVBR; mean and cap alone make VBR, which every generation has.
      ...(encoder.mode === "bitrate" ? [] : ["-global_quality", String(quality)]),
      ...aimingBelow(maxBitrate),
      ...own,
      // The default of -1 (H.264) or 248 (HEVC) frames knows nothing of the grid.
      ...keyframeInterval(grid),
      ...forcedKeyframes(grid),
      "-forced_idr",
      "1"
    ]
  }
}
