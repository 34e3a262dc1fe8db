/** What the environment says to the cleanup. */
import { Config, Schema } from "effect"
import { readAll } from "./readAll.ts"

const whole = (minimum: number) =>
  Schema.FiniteFromString.pipe(Schema.check(Schema.isInt(), Schema.isBetween({ minimum, maximum: 100_000 })))

export const cleanupSettings = readAll({
  databaseUrl: Config.Redacted("VLOG_DATABASE_URL"),
  storage: Config.String("VLOG_STORAGE_PATH").pipe(Config.withDefault("/mnt/nas/vlog-storage")),
  silentMinutes: Config.schema(whole(1), "VLOG_WORKER_OFFLINE_THRESHOLD").pipe(Config.withDefault(5)),
  fileHours: Config.schema(whole(1), "VLOG_CLEANUP_FILE_HOURS").pipe(Config.withDefault(24)),
  historyDays: Config.schema(whole(1), "VLOG_CLEANUP_HISTORY_DAYS").pipe(Config.withDefault(90)),
  metricsFile: Config.String("VLOG_CLEANUP_METRICS_FILE").pipe(Config.withDefault(""))
})
