import { assert, describe, it } from "@effect/vitest"
import type { VideoCodec } from "../../../src/domain/media/Codec.ts"
import type { Backend, Encoder } from "../../../src/domain/media/Encoder.ts"
import { anyBackend, encoderChain } from "../../../src/domain/media/EncoderSelection.ts"

const encoders: Readonly<Record<string, Encoder>> = {
  libx264: { name: "libx264", codec: "h264", backend: "software", device: null },
  libx265: { name: "libx265", codec: "hevc", backend: "software", device: null },
  libsvtav1: { name: "libsvtav1", codec: "av1", backend: "software", device: null },
  h264_nvenc: { name: "h264_nvenc", codec: "h264", backend: "nvenc", device: "0" },
  hevc_nvenc: { name: "hevc_nvenc", codec: "hevc", backend: "nvenc", device: "0" },
  h264_vaapi: { name: "h264_vaapi", codec: "h264", backend: "vaapi", device: "/dev/dri/renderD128" },
  hevc_vaapi: { name: "hevc_vaapi", codec: "hevc", backend: "vaapi", device: "/dev/dri/renderD128" },
  h264_qsv: { name: "h264_qsv", codec: "h264", backend: "qsv", device: "/dev/dri/renderD128" }
}

const all = Object.keys(encoders)

const cases: ReadonlyArray<{
  readonly name: string
  readonly wanted: VideoCodec
  readonly working: ReadonlyArray<string>
  readonly backends?: ReadonlyArray<Backend>
  readonly chain: ReadonlyArray<string>
}> = [
  { name: "software alone", wanted: "h264", working: ["libx264", "libx265"], chain: ["libx264"] },
  {
    name: "hardware first, in the order of the policy",
    wanted: "h264",
    working: all,
    chain: ["h264_nvenc", "h264_qsv", "h264_vaapi", "libx264"]
  },
  {
    name: "the wanted codec on any backend before H.264 on the best",
    wanted: "hevc",
    working: all,
    chain: ["hevc_nvenc", "hevc_vaapi", "libx265", "h264_nvenc", "h264_qsv", "h264_vaapi", "libx264"]
  },
  {
    name: "H.264 where the wanted codec does not work",
    wanted: "av1",
    working: ["h264_nvenc", "libx264"],
    chain: ["h264_nvenc", "libx264"]
  },
  {
    name: "no other codec in place of H.264",
    wanted: "h264",
    working: ["libx265", "libsvtav1"],
    chain: []
  },
  {
    name: "no backend that the policy leaves out",
    wanted: "hevc",
    working: all,
    backends: ["software"],
    chain: ["libx265", "libx264"]
  },
  {
    name: "software first where the policy says so",
    wanted: "h264",
    working: all,
    backends: ["software", "vaapi"],
    chain: ["libx264", "h264_vaapi"]
  },
  { name: "nothing where nothing works", wanted: "h264", working: [], chain: [] }
]

describe("the chain of encoders to try", () => {
  for (const { backends, chain, name, wanted, working } of cases) {
    it(`is ${name}`, () => {
      const found = working.map((key) => encoders[key]!)
      const policy = backends === undefined ? anyBackend : { backends }
      assert.deepStrictEqual(
        encoderChain({ codec: wanted, depth: 8 }, found, policy).map((encoder) => encoder.name),
        chain
      )
    })
  }

  const deep = (encoder: Encoder): Encoder => ({ ...encoder, depth: 10 })
  const { hevc_nvenc: gpu, libsvtav1, libx264, libx265 } = encoders as Record<string, Encoder>
  const there: Encoder = { ...gpu!, pipeline: "device" }
  const machine = [there, gpu!, deep(there), deep(gpu!), libx265!, deep(libx265!), libx264!, deep(libsvtav1!)]

  it("keeps the depth of a source of 10 bit first, and the device before the depth", () => {
    assert.deepStrictEqual(encoderChain({ codec: "hevc", depth: 10 }, machine, anyBackend), [
      deep(there),
      deep(gpu!),
      there,
      gpu!,
      deep(libx265!),
      libx265!,
      libx264!
    ])
    assert.deepStrictEqual(encoderChain({ codec: "av1", depth: 12 }, machine, anyBackend), [deep(libsvtav1!), libx264!])
  })

  it("gives 8 bit to a source of 8, and to everything in H.264", () => {
    assert.deepStrictEqual(encoderChain({ codec: "hevc", depth: 8 }, machine, anyBackend), [
      there,
      gpu!,
      libx265!,
      libx264!
    ])
    assert.deepStrictEqual(encoderChain({ codec: "h264", depth: 10 }, machine, anyBackend), [libx264!])
  })

  it("tries one device after the other, as they were found", () => {
    const second: Encoder = { ...encoders["h264_nvenc"]!, device: "1" }
    const found = [encoders["libx264"]!, encoders["h264_nvenc"]!, second]
    assert.deepStrictEqual(
      encoderChain({ codec: "h264", depth: 8 }, found, anyBackend).map((encoder) => encoder.device),
      ["0", "1", null]
    )
  })
})
