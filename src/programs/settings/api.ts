/** What the environment says to the Worker API. */
import { ByteSize, Config, Duration, Effect, Option, Schema } from "effect"
import {
  defaultLimits,
  type LimitClass,
  parseRate,
  RateLimitText
} from "../../adapters/worker-api/server/RateLimits.ts"
import { time, whole } from "./bounds.ts"
import { readAll } from "./readAll.ts"

const Secret = Schema.RedactedFromValue(Schema.String.pipe(Schema.check(Schema.isMinLength(16))))

const rate = (name: string, kind: LimitClass) =>
  Config.schema(RateLimitText, name).pipe(Config.map(parseRate), Config.withDefault(defaultLimits[kind]))

const settings = readAll({
  databaseUrl: Config.Redacted("VLOG_DATABASE_URL"),
  databasePool: Config.schema(whole(2, 1000), "VLOG_DATABASE_POOL_MAX").pipe(Config.withDefault(10)),
  adminSecret: Config.schema(Secret, "VLOG_WORKER_ADMIN_SECRET"),
  storage: Config.String("VLOG_STORAGE_PATH").pipe(Config.withDefault("/mnt/nas/vlog-storage")),
  host: Config.String("VLOG_WORKER_API_HOST").pipe(Config.withDefault("0.0.0.0")),
  port: Config.Port("VLOG_WORKER_API_PORT").pipe(Config.withDefault(9002)),
  claimMinutes: Config.schema(whole(1, 10_080), "VLOG_WORKER_CLAIM_DURATION").pipe(Config.withDefault(30)),
  gpuWait: Config.schema(time("0 seconds", "1 day"), "VLOG_GPU_WAIT").pipe(Config.withDefault(Duration.minutes(2))),
  sweepEvery: Config.schema(time("100 millis", "1 hour"), "VLOG_SWEEP_INTERVAL").pipe(
    Config.withDefault(Duration.seconds(5))
  ),
  maxSource: Config.ByteSize("VLOG_MAX_UPLOAD_SIZE").pipe(Config.withDefault(ByteSize.fromInputUnsafe("100 GiB"))),
  uploadLife: Config.schema(time("1 minute", "365 days"), "VLOG_UPLOAD_EXPIRES").pipe(
    Config.withDefault(Duration.hours(24))
  ),
  maxPart: Config.ByteSize("VLOG_MAX_HLS_SINGLE_FILE_SIZE").pipe(
    Config.withDefault(ByteSize.fromInputUnsafe("500 MiB"))
  ),
  maxArchive: Config.ByteSize("VLOG_MAX_HLS_ARCHIVE_SIZE").pipe(
    Config.withDefault(ByteSize.fromInputUnsafe("200 GiB"))
  ),
  maxArchiveFiles: Config.schema(whole(1, 1_000_000), "VLOG_MAX_HLS_ARCHIVE_FILES").pipe(Config.withDefault(50_000)),
  limited: Config.Boolean("VLOG_RATE_LIMIT_ENABLED").pipe(Config.withDefault(true)),
  default: rate("VLOG_RATE_LIMIT_WORKER_DEFAULT", "default"),
  progress: rate("VLOG_RATE_LIMIT_WORKER_PROGRESS", "progress"),
  register: rate("VLOG_RATE_LIMIT_WORKER_REGISTER", "register"),
  upload: rate("VLOG_RATE_LIMIT_WORKER_UPLOAD", "upload"),
  failure: rate("VLOG_RATE_LIMIT_FAILURES", "failure"),
  trustedProxies: Config.String("VLOG_TRUSTED_PROXIES").pipe(Config.withDefault("")),
  metricsToken: Config.Redacted("VLOG_METRICS_TOKEN").pipe(Config.option)
})

export const apiSettings = Effect.map(
  settings,
  ({ default: others, failure, limited, metricsToken, progress, register, trustedProxies, upload, ...rest }) => ({
    ...rest,
    rateLimits: limited ? { ...defaultLimits, default: others, failure, progress, register, upload } : null,
    trustedProxies: new Set(
      trustedProxies
        .split(",")
        .map((address) => address.trim())
        .filter((address) => address !== "")
    ),
    metricsToken: Option.getOrNull(metricsToken)
  })
)
