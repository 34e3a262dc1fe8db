/** Which encoder a job gets: a pure function of what is wanted, what works here, and what the operator allows. */
import type { Capabilities } from "../workers/Capabilities.ts"
import type { VideoCodec } from "./Codec.ts"
import type { Backend, Encoder } from "./Encoder.ts"

export interface EncoderPolicy {
  /** Backends that may be used, best first. */
  readonly backends: ReadonlyArray<Backend>
}

/** Hardware first: it leaves the processor to the rest of the machine. */
export const anyBackend: EncoderPolicy = { backends: ["nvenc", "qsv", "vaapi", "software"] }

/**
 * The encoders to try, best first: the wanted codec on each allowed backend, then H.264 on each, because a video that
 * plays in an older codec is better than none. Empty when nothing here can encode.
 */
export const encoderChain = (
  wanted: VideoCodec,
  capabilities: Capabilities,
  policy: EncoderPolicy
): ReadonlyArray<Encoder> => {
  const codecs: ReadonlyArray<VideoCodec> = wanted === "h264" ? ["h264"] : [wanted, "h264"]
  return codecs.flatMap((codec) =>
    policy.backends.flatMap((backend) =>
      capabilities.encoders.filter((encoder) => encoder.codec === codec && encoder.backend === backend)
    )
  )
}
