/** What turns pictures into a codec's bits: an ffmpeg encoder on a backend and, for hardware, on one device. */
import { Schema } from "effect"
import { VideoCodec } from "./Codec.ts"

/** `software`, `nvenc`, `vaapi`, `qsv`, and whatever else this worker's adapter knows. */
const Backend = Schema.String
export type Backend = typeof Backend.Type

export const Vendor = Schema.Literals(["nvidia", "intel", "amd"])
export type Vendor = typeof Vendor.Type

/** `name` is ffmpeg's (`h264_nvenc`), `device` what the backend calls the device (`/dev/dri/renderD128`, a GPU's number). */
export const Encoder = Schema.Struct({
  name: Schema.String,
  codec: VideoCodec,
  backend: Backend,
  device: Schema.NullOr(Schema.String),
  /** Who made the device, where that is known. */
  vendor: Schema.optionalKey(Vendor),
  /** Which of its backend's ways of rate control; the best of them where nothing is said. */
  mode: Schema.optionalKey(Schema.String),
  /** Bits of a sample; 8 where nothing is said. */
  depth: Schema.optionalKey(Schema.Literal(10)),
  /** Major version of the library behind it, where its options depend on that. */
  release: Schema.optionalKey(Schema.Int),
  /** Pictures are decoded and scaled on the device as well. Where nothing is said, the processor does both. */
  pipeline: Schema.optionalKey(Schema.Literal("device"))
})
export interface Encoder extends Schema.Schema.Type<typeof Encoder> {}

/** For people, and as a key: no two encoders of a machine have the same description. */
export const describe = (encoder: Encoder): string => {
  const ways = [
    encoder.mode,
    encoder.depth === undefined ? undefined : `${encoder.depth} bit`,
    encoder.pipeline === undefined ? undefined : "decoding and scaling there"
  ]
  const said = ways.filter((way) => way !== undefined).join(", ")
  return [
    encoder.name,
    ...(encoder.device === null ? [] : [`on ${encoder.device}`]),
    ...(said === "" ? [] : [`(${said})`])
  ].join(" ")
}
