/** Encoders of NVIDIA's GPUs. */
import type { VideoCodec } from "../../../domain/media/Codec.ts"
import type { BackendModule } from "./Backend.ts"
import { cappedBy, forcedKeyframes, keyframeInterval, profile, surfaceFormat } from "./Backend.ts"

/** The quality that `-cq` aims at, on each codec's own scale: AV1 counts to 63 where the others count to 51. */
const quality: Readonly<Record<VideoCodec, number>> = { h264: 23, hevc: 26, av1: 32 }

/**
 * B-frames, temporal adaptive quantisation and B-frames as references are left to the preset: naming one that a
 * generation lacks (HEVC B-frames before Turing, and on TU117) makes opening the encoder fail.
 */
export const nvenc: BackendModule = {
  backend: "nvenc",
  encoders: [
    { name: "h264_nvenc", codec: "h264" },
    { name: "hevc_nvenc", codec: "hevc" },
    { name: "av1_nvenc", codec: "av1" }
  ],
  modes: [undefined],
  candidates: ({ gpus, withoutGpus }) =>
    gpus.length === 0 ? withoutGpus : gpus.map(({ index }) => ({ device: String(index), vendor: "nvidia" })),
  hardware: {
    open: (device) => ["-init_hw_device", `cuda=gpu:${device}`, "-filter_hw_device", "gpu"],
    // CUDA counts the fastest first, nvidia-smi by slot: without this the two mean different GPUs by one number.
    environment: { CUDA_DEVICE_ORDER: "PCI_BUS_ID" },
    decode: [
      "-hwaccel",
      "cuda",
      "-hwaccel_device",
      "gpu",
      "-hwaccel_output_format",
      "cuda",
      "-extra_hw_frames",
      // NVDEC has 32 surfaces at most, of which a stream of H.264 may need 16 itself.
      "8"
    ],
    surface: "cuda",
    upload: "hwupload",
    scale: ({ height, width }, depth) =>
      `scale_cuda=${width}:${height}:interp_algo=bicubic:format=${surfaceFormat(depth)}`,
    uploadsByItself: true
  },
  encodeOptions: ({ encoder, grid, maxBitrate }) => [
    // p5 is "slow (good quality)"; of the seven it is the last that one engine still does much faster than real time.
    "-preset",
    "p5",
    "-tune",
    "hq",
    "-rc",
    "vbr",
    "-cq",
    String(quality[encoder.codec]),
    // Zero lets `-cq` alone decide below the cap; the default of 2 Mbit/s would be the mean that is aimed at.
    "-b:v",
    "0",
    ...cappedBy(maxBitrate),
    "-rc-lookahead",
    "20",
    // With look-ahead the encoder puts I-frames at cuts that are no IDR frames, and counts its interval anew from them.
    "-no-scenecut",
    "1",
    "-spatial-aq",
    "1",
    // av1_nvenc has no such option: the depth of the pictures says it all.
    ...(encoder.codec === "av1" ? [] : profile(encoder)),
    ...keyframeInterval(grid),
    ...forcedKeyframes(grid),
    // A forced keyframe is a plain I-frame otherwise, at which no player may start.
    "-forced-idr",
    "1"
  ]
}
