/** What the environment says to the Worker API. */
import { ByteSize, Config, Schema } from "effect"
import pkg from "../../../package.json" with { type: "json" }
import { readAll } from "./readAll.ts"

const Secret = Schema.RedactedFromValue(Schema.String.pipe(Schema.check(Schema.isMinLength(16))))

export const version = pkg.version

const PoolSize = Schema.FiniteFromString.pipe(
  Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 2, maximum: 1000 }))
)

export const apiSettings = readAll({
  databaseUrl: Config.Redacted("VLOG_DATABASE_URL"),
  databasePool: Config.schema(PoolSize, "VLOG_DATABASE_POOL_MAX").pipe(Config.withDefault(10)),
  adminSecret: Config.schema(Secret, "VLOG_WORKER_ADMIN_SECRET"),
  storage: Config.String("VLOG_STORAGE_PATH").pipe(Config.withDefault("/mnt/nas/vlog-storage")),
  host: Config.String("VLOG_WORKER_API_HOST").pipe(Config.withDefault("0.0.0.0")),
  port: Config.Port("VLOG_WORKER_API_PORT").pipe(Config.withDefault(9002)),
  claimMinutes: Config.Int("VLOG_WORKER_CLAIM_DURATION").pipe(Config.withDefault(30)),
  sweepEvery: Config.Duration("VLOG_SWEEP_INTERVAL").pipe(Config.withDefault("5 seconds")),
  maxSource: Config.ByteSize("VLOG_MAX_UPLOAD_SIZE").pipe(Config.withDefault(ByteSize.fromInputUnsafe("100 GiB"))),
  maxPart: Config.ByteSize("VLOG_MAX_HLS_SINGLE_FILE_SIZE").pipe(
    Config.withDefault(ByteSize.fromInputUnsafe("500 MiB"))
  )
})
