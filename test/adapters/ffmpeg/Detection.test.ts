import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { chmod, readFile } from "node:fs/promises"
import { join } from "node:path"
import { detect } from "../../../src/adapters/ffmpeg/Detection.ts"
import type { VideoCodec } from "../../../src/domain/media/Codec.ts"
import { describe as text } from "../../../src/domain/media/Encoder.ts"
import { encoderChain, policies } from "../../../src/domain/media/EncoderSelection.ts"
import { fakeMachine, type FakeMachine, programsIn } from "../../support/drivers.ts"
import { machines, software } from "./machines.ts"

const look = (machine: FakeMachine) =>
  Effect.gen(function* () {
    const { bin, root } = yield* fakeMachine(machine)
    const found = yield* Effect.provide(detect(root), programsIn(bin))
    const short = (value: string) => value.replaceAll(`${root}/dev/dri/`, "")
    return {
      found,
      calls: yield* Effect.promise(() => readFile(join(bin, "calls"), "utf8").catch(() => "")),
      chain: (codec: VideoCodec, policy: keyof typeof policies) =>
        encoderChain({ codec, depth: 8 }, found.encoders, policies[policy]).map((encoder) => short(text(encoder))),
      deep: (codec: VideoCodec) =>
        encoderChain({ codec, depth: 10 }, found.encoders, policies.auto).map((encoder) => short(text(encoder))),
      reasons: Object.fromEntries(found.refused.map(({ encoder, reason }) => [short(text(encoder)), short(reason)]))
    }
  })

/** The first choice for each codec with VLOG_HWACCEL_TYPE=auto, and what is asked for by the other words. */
const table: ReadonlyArray<{
  readonly machine: keyof typeof machines
  readonly first: Readonly<Record<VideoCodec, string>>
  readonly also?: ReadonlyArray<readonly [policy: keyof typeof policies, codec: VideoCodec, first: string]>
  readonly reason?: readonly [encoder: string, reason: string]
}> = [
  {
    machine: "A100 (no NVENC)",
    first: { h264: "libx264", hevc: "libx265", av1: "libsvtav1" },
    also: [["nvidia", "hevc", "libx265"]],
    reason: ["h264_nvenc on 0", "OpenEncodeSessionEx failed: unsupported device (2): (no details)"]
  },
  { machine: "H100 (no NVENC)", first: { h264: "libx264", hevc: "libx265", av1: "libsvtav1" } },
  {
    machine: "GTX 970",
    first: {
      h264: "h264_nvenc on 0 (decoding and scaling there)",
      hevc: "hevc_nvenc on 0 (decoding and scaling there)",
      av1: "libsvtav1"
    },
    reason: ["hevc_nvenc on 0 (10 bit)", "10 bit encode not supported"]
  },
  {
    machine: "T4",
    first: {
      h264: "h264_nvenc on 0 (decoding and scaling there)",
      hevc: "hevc_nvenc on 0 (decoding and scaling there)",
      av1: "libsvtav1"
    },
    reason: ["av1_nvenc on 0", "Codec not supported"]
  },
  {
    machine: "L4",
    first: {
      h264: "h264_nvenc on 0 (decoding and scaling there)",
      hevc: "hevc_nvenc on 0 (decoding and scaling there)",
      av1: "av1_nvenc on 0 (decoding and scaling there)"
    },
    also: [
      ["none", "h264", "libx264"],
      ["intel", "h264", "libx264"],
      ["amd", "av1", "libsvtav1"],
      ["nvidia", "av1", "av1_nvenc on 0 (decoding and scaling there)"]
    ]
  },
  {
    machine: "RTX 3060",
    first: {
      h264: "h264_nvenc on 0 (decoding and scaling there)",
      hevc: "hevc_nvenc on 0 (decoding and scaling there)",
      av1: "libsvtav1"
    }
  },
  {
    machine: "RTX 4090",
    first: {
      h264: "h264_nvenc on 0 (decoding and scaling there)",
      hevc: "hevc_nvenc on 0 (decoding and scaling there)",
      av1: "av1_nvenc on 0 (decoding and scaling there)"
    }
  },
  {
    machine: "RTX 5090",
    first: {
      h264: "h264_nvenc on 0 (decoding and scaling there)",
      hevc: "hevc_nvenc on 0 (decoding and scaling there)",
      av1: "av1_nvenc on 0 (decoding and scaling there)"
    }
  },
  {
    machine: "Arc A380",
    first: {
      h264: "h264_qsv on renderD128 (quality, decoding and scaling there)",
      hevc: "hevc_qsv on renderD128 (quality, decoding and scaling there)",
      av1: "av1_qsv on renderD128 (quality, decoding and scaling there)"
    },
    also: [
      ["intel", "av1", "av1_qsv on renderD128 (quality, decoding and scaling there)"],
      ["amd", "h264", "libx264"]
    ],
    reason: [
      "h264_vaapi on renderD128 (quality)",
      "No usable encoding entrypoint found for profile VAProfileH264High (7)."
    ]
  },
  {
    machine: "Arc B580",
    first: {
      h264: "h264_qsv on renderD128 (quality, decoding and scaling there)",
      hevc: "hevc_qsv on renderD128 (quality, decoding and scaling there)",
      av1: "av1_qsv on renderD128 (quality, decoding and scaling there)"
    }
  },
  {
    machine: "Arc B580 with a media driver from before it",
    first: { h264: "libx264", hevc: "libx265", av1: "libsvtav1" },
    reason: ["h264_qsv on renderD128 (quality)", "Failed to initialise VAAPI connection: -1 (unknown libva error)."]
  },
  {
    machine: "Intel iGPU of the ninth generation",
    first: {
      h264: "h264_qsv on renderD128 (quality, decoding and scaling there)",
      hevc: "hevc_qsv on renderD128 (quality, decoding and scaling there)",
      av1: "libsvtav1"
    },
    reason: ["av1_vaapi on renderD128 (quality)", "No usable encoding profile found."]
  },
  {
    machine: "Intel iGPU without a oneVPL runtime",
    first: {
      h264: "h264_vaapi on renderD128 (quality, decoding and scaling there)",
      hevc: "hevc_vaapi on renderD128 (quality, decoding and scaling there)",
      av1: "libsvtav1"
    },
    reason: ["h264_qsv on renderD128 (quality)", "Error creating a MFX session: -9."]
  },
  {
    machine: "AMD with an older Mesa",
    first: {
      h264: "h264_vaapi on renderD128 (bitrate, decoding and scaling there)",
      hevc: "hevc_vaapi on renderD128 (bitrate, decoding and scaling there)",
      av1: "libsvtav1"
    },
    also: [
      ["amd", "h264", "h264_vaapi on renderD128 (bitrate, decoding and scaling there)"],
      ["intel", "h264", "libx264"]
    ],
    reason: [
      "h264_vaapi on renderD128 (quality)",
      "Driver does not support QVBR RC mode (supported modes: CQP, CBR, VBR)."
    ]
  },
  {
    machine: "two L4",
    first: {
      h264: "h264_nvenc on 0 (decoding and scaling there)",
      hevc: "hevc_nvenc on 0 (decoding and scaling there)",
      av1: "av1_nvenc on 0 (decoding and scaling there)"
    }
  },
  {
    machine: "an A100 beside a T4",
    first: {
      h264: "h264_nvenc on 1 (decoding and scaling there)",
      hevc: "hevc_nvenc on 1 (decoding and scaling there)",
      av1: "libsvtav1"
    }
  },
  {
    machine: "an iGPU beside an RTX 3060",
    first: {
      h264: "h264_nvenc on 0 (decoding and scaling there)",
      hevc: "hevc_nvenc on 0 (decoding and scaling there)",
      av1: "libsvtav1"
    },
    also: [["intel", "hevc", "hevc_qsv on renderD129 (quality, decoding and scaling there)"]]
  },
  {
    machine: "none",
    first: { h264: "libx264", hevc: "libx265", av1: "libsvtav1" },
    reason: ["h264_nvenc", "no GPU of NVIDIA: there is no nvidia-smi and no /dev/nvidia0"]
  },
  {
    machine: "the kernel module of another version",
    first: { h264: "libx264", hevc: "libx265", av1: "libsvtav1" },
    reason: ["h264_nvenc", "nvidia-smi fails: Failed to initialize NVML: Driver/library version mismatch"]
  },
  {
    machine: "no kernel module",
    first: { h264: "libx264", hevc: "libx265", av1: "libsvtav1" },
    reason: [
      "h264_nvenc",
      "nvidia-smi fails: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running."
    ]
  },
  {
    machine: "a container without the video capability",
    first: { h264: "libx264", hevc: "libx265", av1: "libsvtav1" },
    reason: ["h264_nvenc on 0", "Cannot load libnvidia-encode.so.1"]
  },
  {
    machine: "a driver older than this ffmpeg",
    first: { h264: "libx264", hevc: "libx265", av1: "libsvtav1" },
    reason: ["h264_nvenc on 0", "Driver does not support the required nvenc API version. Required: 13.0 Found: 12.1"]
  },
  {
    machine: "an ffmpeg that cannot scale with CUDA",
    first: { h264: "h264_nvenc on 0", hevc: "hevc_nvenc on 0", av1: "av1_nvenc on 0" },
    reason: ["h264_nvenc on 0 (decoding and scaling there)", "No such filter: 'scale_cuda'"]
  },
  {
    machine: "a driver that crashes",
    first: { h264: "libx264", hevc: "libx265", av1: "libsvtav1" },
    reason: ["h264_vaapi on renderD128 (quality)", "ffmpeg was killed by SIGSEGV"]
  },
  {
    machine: "Debian 12",
    first: {
      h264: "h264_nvenc on 0 (decoding and scaling there)",
      hevc: "hevc_nvenc on 0 (decoding and scaling there)",
      av1: "libsvtav1"
    },
    reason: ["av1_nvenc on 0", "this ffmpeg was built without it"]
  }
]

describe("what a machine can encode", () => {
  it("is tabled for every machine that is known here", () => {
    assert.deepStrictEqual(
      table.map(({ machine }) => machine),
      Object.keys(machines)
    )
  })

  for (const { also = [], first, machine, reason } of table) {
    it.live(`is found out by trying: ${machine}`, () =>
      Effect.gen(function* () {
        const { chain, found, reasons } = yield* look(machines[machine])
        for (const codec of ["h264", "hevc", "av1"] as const) {
          assert.strictEqual(chain(codec, "auto")[0], first[codec], codec)
          assert.include(chain(codec, "auto"), "libx264")
        }
        for (const [policy, codec, encoder] of also) assert.strictEqual(chain(codec, policy)[0], encoder, policy)
        if (reason !== undefined) assert.strictEqual(reasons[reason[0]], reason[1], JSON.stringify(reasons, null, 1))
        assert.includeMembers(
          found.encoders.map(({ name }) => name),
          software
        )
        assert.strictEqual(found.ffmpegVersion, "7.1.5-0+deb13u1")
      }).pipe(Effect.scoped)
    )
  }

  it.live("asks Arc's fixed-function encoder where the usual one is missing", () =>
    Effect.gen(function* () {
      const { chain } = yield* look({
        ...machines["Arc A380"],
        encoders: ["h264_vaapi", "hevc_vaapi", "av1_vaapi", ...software]
      })
      for (const codec of ["h264", "hevc", "av1"] as const) {
        assert.strictEqual(
          chain(codec, "auto")[0],
          `${codec}_vaapi on renderD128 (low-power, decoding and scaling there)`
        )
      }
    }).pipe(Effect.scoped)
  )

  it.live("goes from the device to the processor in small steps", () =>
    Effect.gen(function* () {
      const { chain } = yield* look(machines["two L4"])
      assert.deepStrictEqual(chain("av1", "auto"), [
        "av1_nvenc on 0 (decoding and scaling there)",
        "av1_nvenc on 1 (decoding and scaling there)",
        "av1_nvenc on 0",
        "av1_nvenc on 1",
        "libsvtav1",
        "h264_nvenc on 0 (decoding and scaling there)",
        "h264_nvenc on 1 (decoding and scaling there)",
        "h264_nvenc on 0",
        "h264_nvenc on 1",
        "libx264"
      ])
    }).pipe(Effect.scoped)
  )

  it.live("keeps 10 bit where the device does, in a codec that players have in 10 bit", () =>
    Effect.gen(function* () {
      const ada = yield* look(machines.L4)
      assert.strictEqual(ada.deep("av1")[0], "av1_nvenc on 0 (10 bit, decoding and scaling there)")
      assert.strictEqual(ada.deep("hevc")[0], "hevc_nvenc on 0 (10 bit, decoding and scaling there)")
      assert.strictEqual(ada.deep("h264")[0], "h264_nvenc on 0 (decoding and scaling there)")
      const arc = yield* look(machines["Arc A380"])
      assert.strictEqual(arc.deep("hevc")[0], "hevc_qsv on renderD128 (quality, 10 bit, decoding and scaling there)")
      // Maxwell makes HEVC of 8 bit, which is better than ten times as slow.
      assert.deepStrictEqual((yield* look(machines["GTX 970"])).deep("hevc").slice(0, 3), [
        "hevc_nvenc on 0 (decoding and scaling there)",
        "hevc_nvenc on 0",
        "libx265 (10 bit)"
      ])
      assert.deepStrictEqual((yield* look(machines.none)).deep("av1"), ["libsvtav1 (10 bit)", "libsvtav1", "libx264"])
    }).pipe(Effect.scoped)
  )

  it.live("never asks a device of one maker for another's encoder", () =>
    Effect.gen(function* () {
      const { calls } = yield* look(machines["an iGPU beside an RTX 3060"])
      assert.notMatch(calls, /(vaapi=\w+:\S*renderD128)/)
      assert.match(calls, /vaapi=\w+:\S*renderD129/)
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(process.getuid?.() === 0)("says which device this user may not open", () =>
    Effect.gen(function* () {
      const { bin, root } = yield* fakeMachine(machines["Arc A380"])
      yield* Effect.promise(() => chmod(join(root, "dev/dri/renderD128"), 0))
      const { refused } = yield* Effect.provide(detect(root), programsIn(bin))
      assert.include(refused[0]?.reason, "this user may not open")
    }).pipe(Effect.scoped)
  )
})
