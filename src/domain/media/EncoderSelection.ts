/** Which encoder a job gets: a pure function of what is wanted, what works here, and what the operator allows. */
import { outputDepth, type VideoCodec } from "./Codec.ts"
import type { Backend, Encoder, Vendor } from "./Encoder.ts"

export interface EncoderPolicy {
  /** Backends that may be used, best first. `*` stands for all that are not named. */
  readonly backends: ReadonlyArray<Backend>
  /** The only maker whose devices may be used. The processor always may, where the backends name it. */
  readonly vendor?: Vendor
}

/** Hardware first: it leaves the processor to the rest of the machine. */
export const anyBackend: EncoderPolicy = { backends: ["nvenc", "qsv", "vaapi", "*", "software"] }

/** What an operator says with one word. The processor is always last, because a slow video is better than none. */
export const policies = {
  auto: anyBackend,
  nvidia: { backends: ["nvenc", "software"], vendor: "nvidia" },
  intel: { backends: ["qsv", "vaapi", "software"], vendor: "intel" },
  amd: { backends: ["vaapi", "software"], vendor: "amd" },
  none: { backends: ["software"] }
} satisfies Readonly<Record<string, EncoderPolicy>>

const allows = (policy: EncoderPolicy, encoder: Encoder): boolean =>
  policy.vendor === undefined || encoder.backend === "software" || encoder.vendor === policy.vendor

const order = (policy: EncoderPolicy, encoders: ReadonlyArray<Encoder>): ReadonlyArray<Backend> => {
  const found = new Set(encoders.map(({ backend }) => backend))
  const others = [...found].filter((backend) => !policy.backends.includes(backend))
  return policy.backends.flatMap((backend) => (backend === "*" ? others : [backend]))
}

/** Without a trip through memory first. */
const scalesThere = (encoder: Encoder) => (encoder.pipeline === "device" ? 0 : 1)

/** More bits first, where there is something to put into them. */
const shallow = (encoder: Encoder) => (encoder.depth === undefined ? 1 : 0)

/** What a job needs an encoder for. */
export interface Wanted {
  readonly codec: VideoCodec
  /** Bits of a sample of the source. */
  readonly depth: number
}

/**
 * The encoders to try, best first: the wanted codec on each allowed backend, then H.264 on each, because a video that
 * plays in an older codec is better than none. On one backend, those that keep the source's depth come first, then those
 * that decode and scale as well, and of equal ones the device with the least `load`. Empty when nothing here can encode.
 */
export const encoderChain = (
  wanted: Wanted,
  working: ReadonlyArray<Encoder>,
  policy: EncoderPolicy,
  load: (encoder: Encoder) => number = () => 0
): ReadonlyArray<Encoder> => {
  const codecs: ReadonlyArray<VideoCodec> = wanted.codec === "h264" ? ["h264"] : [wanted.codec, "h264"]
  const makes = (encoder: Encoder, codec: VideoCodec) =>
    encoder.codec === codec && (encoder.depth ?? 8) <= outputDepth(codec, wanted.depth)
  return codecs.flatMap((codec) =>
    order(policy, working).flatMap((backend) =>
      working
        .filter((encoder) => makes(encoder, codec) && encoder.backend === backend && allows(policy, encoder))
        .toSorted((a, b) => shallow(a) - shallow(b) || scalesThere(a) - scalesThere(b) || load(a) - load(b))
    )
  )
}
