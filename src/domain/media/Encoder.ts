/** What turns pictures into a codec's bits: an ffmpeg encoder on a backend and, for hardware, on one device. */
import { Schema } from "effect"
import { VideoCodec } from "./Codec.ts"

export const Backend = Schema.Literals(["software", "nvenc", "vaapi", "qsv"])
export type Backend = typeof Backend.Type

/** `name` is ffmpeg's (`h264_nvenc`), `device` what the backend calls the device (`/dev/dri/renderD128`, a GPU's number). */
export const Encoder = Schema.Struct({
  name: Schema.String,
  codec: VideoCodec,
  backend: Backend,
  device: Schema.NullOr(Schema.String)
})
export interface Encoder extends Schema.Schema.Type<typeof Encoder> {}
