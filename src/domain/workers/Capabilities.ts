/** What a worker's machine really can do, found out by trying. */
import { Schema } from "effect"
import { Encoder } from "../media/Encoder.ts"

/** A trial encode that failed, with the reason that ffmpeg gave. */
const RefusedEncoder = Schema.Struct({ encoder: Encoder, reason: Schema.String })
interface RefusedEncoder extends Schema.Schema.Type<typeof RefusedEncoder> {}

export const Capabilities = Schema.Struct({
  ffmpegVersion: Schema.String,
  encoders: Schema.Array(Encoder),
  refused: Schema.Array(RefusedEncoder)
})
export interface Capabilities extends Schema.Schema.Type<typeof Capabilities> {}

/** Has a device that encodes, so that the farm lets it choose before machines that have none. */
export const isAccelerated = (capabilities: Capabilities): boolean =>
  capabilities.encoders.some((encoder) => encoder.backend !== "software")
