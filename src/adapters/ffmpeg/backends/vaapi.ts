/** Encoders behind VA-API: Intel's and AMD's GPUs on Linux. */
import type { VideoCodec } from "../../../domain/media/Codec.ts"
import type { BackendModule } from "./Backend.ts"
import { aimingBelow, forcedKeyframes, keyframeInterval, profile, spareSurfaces, surfaceFormat } from "./Backend.ts"

/**
 * Goes to `-global_quality`; AV1's scale to 255. A `-qp`, which av1_vaapi does not have, would switch the cap off without
 * a word.
 */
const qualities: Readonly<Record<VideoCodec, number>> = { h264: 23, hevc: 26, av1: 120 }

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
    scale: ({ height, width }, depth) => `scale_vaapi=w=${width}:h=${height}:format=${surfaceFormat(depth)}`,
    uploadsByItself: false
  },
  encodeOptions: ({ encoder, grid, maxBitrate }) => {
    const mode = modes[encoder.mode ?? "quality"]!
    return [
      ...mode.options,
      ...(mode.constant ? ["-global_quality", String(qualities[encoder.codec])] : []),
      ...aimingBelow(maxBitrate),
      ...profile(encoder),
      ...keyframeInterval(grid),
      // No I-frame that is not an IDR frame: the default, said because everything rests on it.
      "-idr_interval",
      "0",
      ...forcedKeyframes(grid)
    ]
  }
}
