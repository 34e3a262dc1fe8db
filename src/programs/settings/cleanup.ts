/** What the environment says to the cleanup. */
import { Config } from "effect"
import { whole } from "./bounds.ts"
import { readAll } from "./readAll.ts"

const count = whole(1, 100_000)

export const cleanupSettings = readAll({
  databaseUrl: Config.Redacted("VLOG_DATABASE_URL"),
  storage: Config.String("VLOG_STORAGE_PATH").pipe(Config.withDefault("/mnt/nas/vlog-storage")),
  silentMinutes: Config.schema(count, "VLOG_WORKER_OFFLINE_THRESHOLD").pipe(Config.withDefault(5)),
  fileHours: Config.schema(count, "VLOG_CLEANUP_FILE_HOURS").pipe(Config.withDefault(24)),
  historyDays: Config.schema(count, "VLOG_CLEANUP_HISTORY_DAYS").pipe(Config.withDefault(90)),
  metricsFile: Config.String("VLOG_CLEANUP_METRICS_FILE").pipe(Config.withDefault(""))
})
