/** What the environment says of this machine, as far as the doctor looks at it. */
import { Config } from "effect"
import { VideoCodec } from "../../domain/media/Codec.ts"
import { readAll } from "./readAll.ts"
import { Hwaccel, SandboxMode } from "./worker.ts"

export const doctorSettings = readAll({
  databaseUrl: Config.Redacted("VLOG_DATABASE_URL").pipe(Config.option),
  storage: Config.String("VLOG_STORAGE_PATH").pipe(Config.option),
  workerKey: Config.Redacted("VLOG_WORKER_API_KEY").pipe(Config.option),
  workDir: Config.String("VLOG_WORKER_WORK_DIR").pipe(Config.option),
  codec: Config.schema(VideoCodec, "VLOG_HWACCEL_PREFERRED_CODEC").pipe(Config.withDefault("h264" as const)),
  hwaccel: Config.schema(Hwaccel, "VLOG_HWACCEL_TYPE").pipe(Config.withDefault("auto" as const)),
  sandbox: SandboxMode,
  backups: Config.String("BACKUP_PATH").pipe(Config.option)
})
