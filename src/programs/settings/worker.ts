/** What the environment says to a worker. */
import { Config, Duration, Effect, Schema } from "effect"
import { defaultLeaseSeconds, LeaseSeconds } from "../../domain/jobs/Lease.ts"
import { VideoCodec } from "../../domain/media/Codec.ts"
import { anyBackend, type EncoderPolicy } from "../../domain/media/EncoderSelection.ts"
import { readAll } from "./readAll.ts"

const Hwaccel = Schema.Literals(["auto", "nvidia", "intel", "amd", "none"])

const policies: Readonly<Record<typeof Hwaccel.Type, EncoderPolicy>> = {
  auto: anyBackend,
  nvidia: { backends: ["nvenc", "software"] },
  intel: { backends: ["qsv", "vaapi", "software"] },
  amd: { backends: ["vaapi", "software"] },
  none: { backends: ["software"] }
}

/** Without a slash at its end: paths are appended. */
const Address = Schema.URLFromString.pipe(
  Schema.check(
    Schema.makeFilter(
      (url) => ["http:", "https:"].includes(url.protocol) || "Expected an address like http://host:9002"
    )
  )
)

const Secret = Schema.RedactedFromValue(Schema.NonEmptyString)

/** Plain numbers of seconds, as the compatible protocol's variables have them. */
const seconds = (name: string, otherwise: number) =>
  Config.schema(Schema.FiniteFromString.pipe(Schema.check(Schema.isGreaterThan(0))), name).pipe(
    Config.withDefault(otherwise),
    Config.map(Duration.seconds)
  )

export const workerSettings = Effect.map(
  readAll({
    address: Config.schema(Address, "VLOG_WORKER_API_URL"),
    key: Config.schema(Secret, "VLOG_WORKER_API_KEY"),
    workDir: Config.String("VLOG_WORKER_WORK_DIR").pipe(Config.withDefault("/tmp/vlog-worker")),
    codec: Config.schema(VideoCodec, "VLOG_HWACCEL_PREFERRED_CODEC").pipe(Config.withDefault("h264" as const)),
    hwaccel: Config.schema(Hwaccel, "VLOG_HWACCEL_TYPE").pipe(Config.withDefault("auto" as const)),
    leaseSeconds: Config.schema(
      Schema.FiniteFromString.pipe(Schema.decodeTo(LeaseSeconds)),
      "VLOG_WORKER_LEASE_SECONDS"
    ).pipe(Config.withDefault(defaultLeaseSeconds)),
    pollEvery: seconds("VLOG_WORKER_POLL_INTERVAL", 10),
    heartbeatEvery: seconds("VLOG_WORKER_HEARTBEAT_INTERVAL", 30),
    reportEvery: seconds("VLOG_WORKER_PROGRESS_INTERVAL", 5),
    stallAfter: seconds("VLOG_FFMPEG_STALL_TIMEOUT", 120)
  }),
  ({ address, hwaccel, ...rest }) => ({ ...rest, address: address.href.replace(/\/+$/, ""), policy: policies[hwaccel] })
)
