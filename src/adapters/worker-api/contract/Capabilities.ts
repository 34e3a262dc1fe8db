/** What a worker says of itself, within the protocol's limits. */
import { Schema } from "effect"
import { Integer, optionalNull, rule, strict, Text, Truth } from "./Fields.ts"

const largestText = 10_000

const isShort = (value: unknown) => JSON.stringify(value).length <= largestText

const Encoders = Schema.Record(Schema.String, Schema.Array(Schema.String)).pipe(
  Schema.check(
    rule<{ readonly [codec: string]: ReadonlyArray<string> }>("Codec key too long", (encoders) =>
      Object.keys(encoders).every((codec) => codec.length <= 20)
    ),
    rule<{ readonly [codec: string]: ReadonlyArray<string> }>("Too many encoders for a codec", (encoders) =>
      Object.values(encoders).every((names) => names.length <= 20)
    ),
    rule<{ readonly [codec: string]: ReadonlyArray<string> }>("Encoder name too long", (encoders) =>
      Object.values(encoders).every((names) => names.every((name) => name.length <= 50))
    )
  )
)

/**
 * Keys that are not here are refused. The number of sessions may be anything from 1: data centre cards have no limit and
 * say 999.
 */
export const Capabilities = strict(
  Schema.Struct({
    hwaccel_enabled: Schema.optionalKey(Truth),
    hwaccel_type: Schema.optionalKey(Text(20)),
    gpu_name: optionalNull(Text(200)),
    code_version: optionalNull(Text(64)),
    supported_codecs: Schema.optionalKey(
      Schema.Array(Schema.String).pipe(
        Schema.check(
          Schema.isMaxLength(10),
          rule<ReadonlyArray<string>>("Codec name too long", (names) => names.every((name) => name.length <= 20))
        )
      )
    ),
    encoders: Schema.optionalKey(Encoders),
    max_concurrent_encode_sessions: Schema.optionalKey(Integer.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1)))),
    ffmpeg_version: optionalNull(Text(100)),
    driver_version: optionalNull(Text(100)),
    cuda_version: optionalNull(Text(100)),
    vaapi_device: optionalNull(Text(200))
  })
)

const mostSessions = 100

/** As it is kept: within the limits that other readers of the protocol expect. */
export const clamped = (capabilities: typeof Capabilities.Type): typeof Capabilities.Type => ({
  ...capabilities,
  ...(capabilities.max_concurrent_encode_sessions === undefined
    ? {}
    : {
        max_concurrent_encode_sessions: Math.min(mostSessions, capabilities.max_concurrent_encode_sessions)
      })
})

/** Where a worker runs; keys that are not here are refused. */
export const RegistrationMetadata = strict(
  Schema.Struct({
    deployment_type: optionalNull(Schema.Literals(["kubernetes", "systemd", "docker", "manual"])),
    pod_name: optionalNull(Text(253)),
    pod_namespace: optionalNull(Text(253)),
    pod_uid: optionalNull(Text(36)),
    node_name: optionalNull(Text(253)),
    container_name: optionalNull(Text(253)),
    container_image: optionalNull(Text(500)),
    cloud_provider: optionalNull(Text(50)),
    region: optionalNull(Text(100)),
    availability_zone: optionalNull(Text(100)),
    labels: optionalNull(
      Schema.Record(Schema.String, Schema.String).pipe(
        Schema.check(
          rule<{ readonly [key: string]: string }>("Too many labels or too long ones", (labels) => {
            const entries = Object.entries(labels)
            return entries.length <= 50 && entries.every(([key, value]) => key.length <= 253 && value.length <= 500)
          })
        )
      )
    )
  })
)

/** A free object, but for `capabilities` in it. */
export const HeartbeatMetadata = Schema.StructWithRest(
  Schema.Struct({ capabilities: Schema.optionalKey(Capabilities) }),
  [Schema.Record(Schema.String, Schema.Unknown)]
).pipe(
  Schema.check(
    rule<object>("Too many keys in metadata (max 20)", (metadata) => Object.keys(metadata).length <= 20),
    rule<object>("Metadata too large (max 10KB)", isShort)
  )
)
