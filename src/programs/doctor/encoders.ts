/** What the trials of the encoders mean for the settings of this machine's worker. */
import type { VideoCodec } from "../../domain/media/Codec.ts"
import { describe, type Encoder } from "../../domain/media/Encoder.ts"
import { encoderChain, type EncoderPolicy } from "../../domain/media/EncoderSelection.ts"
import type { Capabilities } from "../../domain/workers/Capabilities.ts"
import { type Finding, ok, problem, warning } from "./Finding.ts"

export const installFfmpeg = "install ffmpeg (the package ffmpeg brings ffmpeg and ffprobe)"

const placeOf = ({ device, name }: Encoder) => (device === null ? name : `${name} on ${device}`)

/** One line for each encoder of a device, however many ways of using it there are. */
const workingLines = (encoders: ReadonlyArray<Encoder>): ReadonlyArray<string> =>
  [...Map.groupBy(encoders, placeOf)].map(([place, ways]) => {
    const more = [
      ...(ways.some(({ depth }) => depth === 10) ? ["10 bit too"] : []),
      ...(ways.some(({ pipeline }) => pipeline === "device") ? ["decoding and scaling there"] : [])
    ]
    return `${place} works${more.map((way) => `, ${way}`).join("")}`
  })

/** One line for each reason: a machine without a GPU has it for nine encoders. */
const refusedLines = ({ refused }: Capabilities): ReadonlyArray<string> =>
  [...Map.groupBy(refused, ({ reason }) => reason)].map(
    ([reason, all]) =>
      `${all.map(({ encoder }) => describe(encoder)).join(", ")} ${all.length === 1 ? "does" : "do"} not work: ${reason}`
  )

export const encoderFinding = (
  capabilities: Capabilities,
  wanted: { readonly codec: VideoCodec; readonly policy: EncoderPolicy }
): Finding => {
  const { encoders } = capabilities
  const { codec, policy } = wanted
  const details = [...workingLines(encoders), ...refusedLines(capabilities)]
  const chain = encoderChain({ codec, depth: 8 }, encoders, policy)
  const [first] = chain
  if (first === undefined) {
    const advice =
      encoders.length === 0 ? installFfmpeg : "install an ffmpeg with libx264, or see VLOG_HWACCEL_PREFERRED_CODEC"
    return { ...problem("encoders", "none that may be used works", advice), details }
  }
  const found = `${describe(first)} is the first choice for ${codec}`
  if (first.codec !== codec) {
    const instead = `no encoder for ${codec} works: ${describe(first)} makes H.264 instead`
    return { ...warning("encoders", instead, "see VLOG_HWACCEL_PREFERRED_CODEC"), details }
  }
  const { vendor } = policy
  if (vendor !== undefined && first.backend === "software") {
    const advice = encoders.some((encoder) => encoder.vendor === vendor)
      ? `no device of ${vendor} encodes ${codec}, so that the processor does: see VLOG_HWACCEL_PREFERRED_CODEC`
      : `no device of ${vendor} encodes here, though VLOG_HWACCEL_TYPE asks for one: the reasons are below`
    return { ...warning("encoders", found, advice), details }
  }
  return ok("encoders", found, details)
}
