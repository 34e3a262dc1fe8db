/** Encoders behind VA-API: Intel's and AMD's GPUs on Linux. */
import type { VideoCodec } from "../../../domain/media/Codec.ts"
import type { BackendModule } from "./Backend.ts"
import { aimingBelow, forcedKeyframes, hvc1, keyframeInterval, spareSurfaces } from "./Backend.ts"

/**
 * `quality` goes to `-global_quality`. A `-qp`, which av1_vaapi does not have, would switch the cap off without a word.
 */
const codecs: Readonly<Record<VideoCodec, { readonly quality: number; readonly own: ReadonlyArray<string> }>> = {
  h264: { quality: 23, own: ["-profile:v", "high"] },
  hevc: { quality: 26, own: ["-profile:v", "main", ...hvc1] },
  // AV1's scale goes to 255.
  av1: { quality: 120, own: ["-profile:v", "main"] }
}

const quality = ["-rc_mode", "QVBR"]
const bitrate = ["-rc_mode", "VBR"]

/** Arc and newer have only the fixed-function encoder, for which ffmpeg must ask by name. */
const lowPower = ["-low_power", "1"]

/** QVBR is capped constant quality. Drivers that have none (older Mesa) get a mean and the same cap. */
const modes: Readonly<Record<string, { readonly constant: boolean; readonly options: ReadonlyArray<string> }>> = {
  quality: { constant: true, options: quality },
  "low-power": { constant: true, options: [...quality, ...lowPower] },
  bitrate: { constant: false, options: bitrate },
  "bitrate-low-power": { constant: false, options: [...bitrate, ...lowPower] }
}

export const vaapi: BackendModule = {
  backend: "vaapi",
  encoders: [
    { name: "h264_vaapi", codec: "h264" },
    { name: "hevc_vaapi", codec: "hevc" },
    { name: "av1_vaapi", codec: "av1" }
  ],
  modes: ["quality", "low-power", "bitrate", "bitrate-low-power"],
  // NVIDIA's driver for VA-API only decodes.
  candidates: ({ renderNodes, withoutRenderNodes }) => {
    const nodes = renderNodes.filter((node) => node.vendor !== "nvidia")
    return nodes.length === 0 ? withoutRenderNodes : nodes
  },
  hardware: {
    open: (device) => ["-init_hw_device", `vaapi=gpu:${device}`, "-filter_hw_device", "gpu"],
    decode: [
      "-hwaccel",
      "vaapi",
      "-hwaccel_device",
      "gpu",
      "-hwaccel_output_format",
      "vaapi",
      "-extra_hw_frames",
      String(spareSurfaces)
    ],
    surface: "vaapi",
    upload: "hwupload",
    scale: ({ height, width }) => `scale_vaapi=w=${width}:h=${height}:format=nv12`,
    uploadsByItself: false
  },
  encodeOptions: ({ encoder, grid, maxBitrate }) => {
    const { own, quality } = codecs[encoder.codec]
    const mode = modes[encoder.mode ?? "quality"]!
    return [
      ...mode.options,
      ...(mode.constant ? ["-global_quality", String(quality)] : []),
      ...aimingBelow(maxBitrate),
      ...own,
      ...keyframeInterval(grid),
      // No I-frame that is not an IDR frame: the default, said because everything rests on it.
      "-idr_interval",
      "0",
      ...forcedKeyframes(grid)
    ]
  }
}
