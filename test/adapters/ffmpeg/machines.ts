/**
 * What real machines answer. The texts are those that ffmpeg and the drivers print; who prints which is said beside
 * each. None of it was recorded here: there is no such hardware where this was written.
 */
import type { Answer, FakeMachine } from "../../support/drivers.ts"

/** Printed by ffmpeg after every failure to open an encoder, true or not (fftools/ffmpeg.c). */
const guess =
  "Error initializing output stream 0:0 -- Error while opening encoder for output stream #0:0 - maybe incorrect parameters such as bit_rate, rate, width or height\nConversion failed!"

const nvencSays = (encoder: string, ...lines: ReadonlyArray<string>): Answer => ({
  when: [`-c:v ${encoder} `],
  stderr: [...lines.map((line) => `[${encoder} @ 0x55d0c4a3c2c0] ${line}`), guess].join("\n")
})

const nvencs = ["h264_nvenc", "hevc_nvenc", "av1_nvenc"]
const vaapis = ["h264_vaapi", "hevc_vaapi", "av1_vaapi"]
const qsvs = ["h264_qsv", "hevc_qsv", "av1_qsv"]
export const software = ["libx264", "libx265", "libsvtav1"]
const everything = [...nvencs, ...vaapis, ...qsvs, ...software]

/** libavcodec/nvenc.c: the driver's status of nvEncOpenEncodeSessionEx on a GPU without an engine, then its own summary. */
const noEngine = nvencs.map((encoder) =>
  nvencSays(encoder, "OpenEncodeSessionEx failed: unsupported device (2): (no details)", "No capable devices found")
)

/** libavcodec/nvenc.c, where the GPU's list of codecs lacks this one. */
const noAv1 = nvencSays("av1_nvenc", "Codec not supported", "No capable devices found")

/** The lines of `nvidia-smi --query-gpu=index,name,driver_version --format=csv,noheader`. */
const gpus = (...names: ReadonlyArray<string>) => ({
  stdout: names.map((name, index) => `${index}, NVIDIA ${name}, 570.133.20`).join("\n")
})

/** libavcodec/vaapi_encode.c: the profile is there, but only with the entry point for low power (VAProfile numbers of va.h). */
const noNormalEntrypoint = (device: string): ReadonlyArray<Answer> =>
  ["-rc_mode QVBR -global", "-rc_mode VBR -b:v"].map((mode) => ({
    when: [device, "_vaapi", mode],
    stderr: `[h264_vaapi @ 0x5581] No usable encoding entrypoint found for profile VAProfileH264High (7).\n${guess}`
  }))

/** libavcodec/vaapi_encode.c, where no profile of the codec is encodable. */
const noVaapiProfile = (encoder: string): Answer => ({
  when: [`-c:v ${encoder} `],
  stderr: `[${encoder} @ 0x5581] No usable encoding profile found.\n${guess}`
})

/** libavcodec/qsvenc.c, with the text of MFX_ERR_UNSUPPORTED. */
const noQsvCodec = (encoder: string): Answer => ({
  when: [`-c:v ${encoder} `],
  stderr: `[${encoder} @ 0x5581] Current codec type is unsupported\n[${encoder} @ 0x5581] Error initializing the encoder: unsupported (-3)\n${guess}`
})

/** libavutil/hwcontext_vaapi.c with libva's text, then fftools' own two lines. */
const noVaapiDriver: Answer = {
  when: ["-init_hw_device vaapi="],
  stderr: `[AVHWDeviceContext @ 0x55e1] Failed to initialise VAAPI connection: -1 (unknown libva error).
Device creation failed: -5.
Failed to set value 'vaapi=gpu:/dev/dri/renderD128' for option 'init_hw_device': Input/output error
Error parsing global options: Input/output error`
}

/** libavutil/hwcontext_qsv.c with oneVPL; -9 is MFX_ERR_NOT_FOUND: no runtime for this GPU is installed. */
const noQsvRuntime: Answer = {
  when: ["-init_hw_device qsv="],
  stderr: `[AVHWDeviceContext @ 0x55e1] Error creating a MFX session: -9.
Device creation failed: -1313558101.
Failed to set value 'qsv=gpu@va' for option 'init_hw_device': Unknown error occurred`
}

const intel = (driver: string, name = "renderD128") => ({ name, vendor: "0x8086", driver }) as const
const amd = { name: "renderD128", vendor: "0x1002", driver: "amdgpu" } as const

export const machines = {
  "A100 (no NVENC)": { encoders: everything, nvidiaSmi: gpus("A100-SXM4-80GB"), answers: noEngine },
  "H100 (no NVENC)": { encoders: everything, nvidiaSmi: gpus("H100 80GB HBM3"), answers: noEngine },
  // libavcodec/nvenc.c, on a GPU whose engine takes 8 bit alone.
  "GTX 970": {
    encoders: everything,
    nvidiaSmi: gpus("GeForce GTX 970"),
    answers: [
      noAv1,
      {
        when: ["p010le", "-c:v hevc_nvenc "],
        stderr: `[hevc_nvenc @ 0x55d0] 10 bit encode not supported\n[hevc_nvenc @ 0x55d0] No capable devices found\n${guess}`
      }
    ]
  },
  T4: { encoders: everything, nvidiaSmi: gpus("Tesla T4"), answers: [noAv1] },
  L4: { encoders: everything, nvidiaSmi: gpus("L4") },
  "RTX 3060": { encoders: everything, nvidiaSmi: gpus("GeForce RTX 3060"), answers: [noAv1] },
  "RTX 4090": { encoders: everything, nvidiaSmi: gpus("GeForce RTX 4090") },
  "RTX 5090": { encoders: everything, nvidiaSmi: gpus("GeForce RTX 5090") },
  "Arc A380": { encoders: everything, render: [intel("i915")], answers: noNormalEntrypoint("renderD128") },
  "Arc B580": { encoders: everything, render: [intel("xe")], answers: noNormalEntrypoint("renderD128") },
  "Arc B580 with a media driver from before it": {
    encoders: everything,
    render: [intel("xe")],
    answers: [noVaapiDriver]
  },
  "Intel iGPU of the ninth generation": {
    encoders: everything,
    render: [intel("i915")],
    answers: [noVaapiProfile("av1_vaapi"), noQsvCodec("av1_qsv")]
  },
  "Intel iGPU without a oneVPL runtime": {
    encoders: everything,
    render: [intel("i915")],
    answers: [noQsvRuntime, noVaapiProfile("av1_vaapi")]
  },
  "AMD with an older Mesa": {
    encoders: everything,
    render: [amd],
    answers: [
      noVaapiProfile("av1_vaapi"),
      // libavcodec/vaapi_encode.c, with the modes that radeonsi has had longest.
      {
        when: ["-rc_mode QVBR"],
        stderr: `[h264_vaapi @ 0x5581] Driver does not support QVBR RC mode (supported modes: CQP, CBR, VBR).\n${guess}`
      }
    ]
  },
  "two L4": { encoders: everything, nvidiaSmi: gpus("L4", "L4") },
  "an A100 beside a T4": {
    encoders: everything,
    nvidiaSmi: gpus("A100-PCIE-40GB", "Tesla T4"),
    answers: [...noEngine.map((answer) => ({ ...answer, when: ["cuda=gpu:0", ...answer.when] })), noAv1]
  },
  "an iGPU beside an RTX 3060": {
    encoders: everything,
    nvidiaSmi: gpus("GeForce RTX 3060"),
    render: [{ name: "renderD128", vendor: "0x10de", driver: "nvidia" }, intel("i915", "renderD129")],
    answers: [noAv1, noVaapiProfile("av1_vaapi"), noQsvCodec("av1_qsv")]
  },
  none: { encoders: everything },
  "the kernel module of another version": {
    encoders: everything,
    // NVML, through nvidia-smi, which ends with 18.
    nvidiaSmi: { stdout: "Failed to initialize NVML: Driver/library version mismatch", exit: 18 }
  },
  "no kernel module": {
    encoders: everything,
    // nvidia-smi itself, which ends with 9.
    nvidiaSmi: {
      stdout:
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n",
      exit: 9
    }
  },
  "a container without the video capability": {
    encoders: everything,
    nvidiaSmi: gpus("L4"),
    // nv-codec-headers' loader, where the runtime did not put libnvidia-encode into the container.
    answers: nvencs.map((encoder) =>
      nvencSays(
        encoder,
        "Cannot load libnvidia-encode.so.1",
        "The minimum required Nvidia driver for nvenc is 570.0 or newer"
      )
    )
  },
  "a driver older than this ffmpeg": {
    encoders: everything,
    nvidiaSmi: { stdout: "0, NVIDIA L4, 535.183.01" },
    // libavcodec/nvenc.c, built with headers of 13.0.
    answers: nvencs.map((encoder) =>
      nvencSays(
        encoder,
        "Driver does not support the required nvenc API version. Required: 13.0 Found: 12.1",
        "The minimum required Nvidia driver for nvenc is 570.0 or newer"
      )
    )
  },
  "an ffmpeg that cannot scale with CUDA": {
    encoders: everything,
    nvidiaSmi: gpus("L4"),
    // libavfilter/graphparser.c: a build without the CUDA compiler has the encoders and not the scaler.
    answers: [
      {
        when: ["scale_cuda"],
        stderr:
          "[AVFilterGraph @ 0x5601] No such filter: 'scale_cuda'\nError initializing complex filters.\nFilter not found"
      }
    ]
  },
  "a driver that crashes": {
    encoders: everything,
    render: [amd],
    answers: [{ when: ["vaapi=gpu"], stderr: "", signal: "SEGV" }]
  },
  "Debian 12": { encoders: [...nvencs.slice(0, 2), ...vaapis.slice(0, 2), ...software], nvidiaSmi: gpus("L4") }
} satisfies Readonly<Record<string, FakeMachine>>
