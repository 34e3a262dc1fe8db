/** What the environment says to a worker. */
import { resolve } from "node:path"
import { ByteSize, Config, Duration, Effect, Option, Schema } from "effect"
import { defaultLeaseSeconds, LeaseSeconds } from "../../domain/jobs/Lease.ts"
import { VideoCodec } from "../../domain/media/Codec.ts"
import { type EncoderPolicy, policies } from "../../domain/media/EncoderSelection.ts"
import { Address, withoutLogin } from "./Address.ts"
import { whole } from "./bounds.ts"
import { readAll } from "./readAll.ts"

export const Hwaccel = Schema.Literals(["auto", "nvidia", "intel", "amd", "none"])

export const SandboxMode = Config.Literals(["auto", "require", "off"], "VLOG_FFMPEG_SANDBOX").pipe(
  Config.withDefault("auto" as const)
)

const Secret = Schema.RedactedFromValue(Schema.NonEmptyString)

/** Plain numbers of seconds, as the compatible protocol's variables have them. */
const seconds = (name: string, otherwise: number, least: "some" | "none" = "some") =>
  Config.schema(
    Schema.FiniteFromString.pipe(
      Schema.check(least === "some" ? Schema.isGreaterThan(0) : Schema.isGreaterThanOrEqualTo(0)),
      // More was meant as milliseconds.
      Schema.check(Schema.isLessThanOrEqualTo(24 * 3600))
    ),
    name
  ).pipe(Config.withDefault(otherwise), Config.map(Duration.seconds))

/** A port, or null where nobody is to ask: "off", or 0, which would be a port that nobody knows. */
const HealthPort = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter(
      (text) => text === "off" || (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) || 'Expected a port, or "off"'
    )
  )
)

const Count = whole(1, 1000)

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
    stallAfter: seconds("VLOG_FFMPEG_STALL_TIMEOUT", 120),
    // Less than the half minute that Kubernetes waits unless told otherwise.
    drainFor: seconds("VLOG_WORKER_DRAIN_SECONDS", 20, "none"),
    minFree: Config.ByteSize("VLOG_WORKER_MIN_FREE_SPACE").pipe(
      Config.withDefault(ByteSize.fromInputUnsafe("512 MiB"))
    ),
    sandbox: SandboxMode,
    maxMemory: Config.ByteSize("VLOG_FFMPEG_MAX_MEMORY").pipe(Config.option),
    once: Config.Boolean("VLOG_WORKER_ONCE").pipe(Config.withDefault(false)),
    nvencSessions: Config.schema(Count, "VLOG_NVENC_MAX_SESSIONS").pipe(Config.option),
    concurrency: Config.schema(Count, "VLOG_WORKER_CONCURRENCY").pipe(Config.option),
    healthPort: Config.schema(HealthPort, "VLOG_WORKER_HEALTH_PORT").pipe(Config.withDefault("8080"))
  }),
  ({ address, concurrency, healthPort, hwaccel, maxMemory, minFree, nvencSessions, workDir, ...rest }) => ({
    ...rest,
    ...withoutLogin(address),
    healthPort: healthPort === "off" || Number(healthPort) === 0 ? null : Number(healthPort),
    keepFree: Number(minFree),
    maxMemory: Option.getOrNull(Option.map(maxMemory, Number)),
    // Sandboxes know no working directory.
    workDir: resolve(workDir),
    nvencSessions: Option.getOrNull(nvencSessions),
    concurrency: Option.getOrNull(concurrency),
    policy: policies[hwaccel] as EncoderPolicy
  })
)
