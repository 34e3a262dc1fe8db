/** What a worker's machine really can do, found out by trying. */
import { Schema } from "effect"
import { Encoder, Vendor } from "../media/Encoder.ts"

/** A trial encode that failed, with the reason that ffmpeg gave. */
const RefusedEncoder = Schema.Struct({ encoder: Encoder, reason: Schema.String })
export interface RefusedEncoder extends Schema.Schema.Type<typeof RefusedEncoder> {}

/** What the system lists, by the name that encoders give it. What it can do is not read from its name. */
const Device = Schema.Struct({
  device: Schema.String,
  vendor: Schema.optionalKey(Vendor),
  name: Schema.optionalKey(Schema.String),
  /** NVIDIA's version, or the kernel's module. */
  driver: Schema.String,
  /** Why it cannot even be tried. */
  problem: Schema.optionalKey(Schema.String)
})
export interface Device extends Schema.Schema.Type<typeof Device> {}

export const Capabilities = Schema.Struct({
  ffmpegVersion: Schema.String,
  devices: Schema.Array(Device),
  /** Those of ffmpeg's decoders that people's videos need. */
  decoders: Schema.Array(Schema.String),
  encoders: Schema.Array(Encoder),
  refused: Schema.Array(RefusedEncoder)
})
export interface Capabilities extends Schema.Schema.Type<typeof Capabilities> {}

/** Has a device that encodes, so that the farm lets it choose before machines that have none. */
export const isAccelerated = (capabilities: Capabilities): boolean =>
  capabilities.encoders.some((encoder) => encoder.backend !== "software")
