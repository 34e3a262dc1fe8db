import { assert, describe, it } from "@effect/vitest"
import type { Encoder } from "../../../src/domain/media/Encoder.ts"
import { policies } from "../../../src/domain/media/EncoderSelection.ts"
import { encoderFinding } from "../../../src/programs/doctor/encoders.ts"
import { capable } from "../../domain/support/worker.ts"

const libx264: Encoder = { name: "libx264", codec: "h264", backend: "software", device: null }
const libsvtav1: Encoder = { name: "libsvtav1", codec: "av1", backend: "software", device: null }
const gpu: Encoder = { name: "hevc_nvenc", codec: "hevc", backend: "nvenc", device: "0", vendor: "nvidia" }
const ways: ReadonlyArray<Encoder> = [{ ...gpu, pipeline: "device" }, gpu, { ...gpu, depth: 10 }]

const refused = (name: string, reason: string) => ({ encoder: { ...gpu, name }, reason })

describe("what the doctor says of encoders", () => {
  it("is one line for each that works and for each reason why others do not", () => {
    const capabilities = {
      ...capable([...ways, libx264]),
      refused: [refused("h264_qsv", "none there"), refused("av1_qsv", "none there"), refused("av1_nvenc", "too old")]
    }
    const { details, found, state } = encoderFinding(capabilities, { codec: "hevc", policy: policies.auto })
    assert.strictEqual(state, "ok")
    assert.strictEqual(found, "hevc_nvenc on 0 (decoding and scaling there) is the first choice for hevc")
    assert.deepStrictEqual(details, [
      "hevc_nvenc on 0 works, 10 bit too, decoding and scaling there",
      "libx264 works",
      "h264_qsv on 0, av1_qsv on 0 do not work: none there",
      "av1_nvenc on 0 does not work: too old"
    ])
  })

  for (const [what, working, wanted, expected] of [
    [
      "a maker with no device",
      [libx264],
      ["h264", "nvidia"],
      /no device of nvidia encodes here, though VLOG_HWACCEL_TYPE/
    ],
    ["a device without the codec", [...ways, libsvtav1], ["av1", "nvidia"], /no device of nvidia encodes av1, so that/],
    ["no encoder for the codec", [libx264], ["av1", "auto"], /VLOG_HWACCEL_PREFERRED_CODEC/],
    ["nothing that may be used", [libsvtav1], ["h264", "auto"], /install an ffmpeg with libx264/],
    ["nothing at all", [], ["h264", "auto"], /install ffmpeg/]
  ] as const) {
    it(`is what to do: ${what}`, () => {
      const [codec, type] = wanted
      assert.match(encoderFinding(capable(working), { codec, policy: policies[type] }).advice ?? "", expected)
    })
  }
})
