/** What the environment says to the backup command. */
import { Config, Effect, Schema } from "effect"
import { defaultPolicy } from "../../domain/backups/Retention.ts"
import { highestLevel } from "../../domain/backups/Verification.ts"
import { readAll } from "./readAll.ts"

const whole = (minimum: number, maximum: number) =>
  Schema.FiniteFromString.pipe(Schema.check(Schema.isInt(), Schema.isBetween({ minimum, maximum })))

/** `service:NAME` is a server that the file of PGSERVICEFILE describes. */
const Scratch = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter((text) => /^(same|embedded|service:.+)$/.test(text) || "Expected same, embedded or service:NAME")
  )
)

const Compression = Schema.Literals(["gzip", "zstd", "none"])

/** Quick and small enough; see docs/BACKUPS.md. */
const usualLevel = { gzip: 6, zstd: 1, none: 0 } as const

export const storeSettings = readAll({
  path: Config.String("BACKUP_PATH").pipe(Config.withDefault("/mnt/nas/vlog-storage/backups")),
  metricsFile: Config.String("BACKUP_METRICS_FILE").pipe(Config.withDefault("")),
  scratch: Config.schema(Scratch, "BACKUP_SCRATCH").pipe(Config.withDefault("same"))
})

export const policySettings = readAll({
  days: Config.schema(whole(0, 36_500), "BACKUP_RETENTION_DAYS").pipe(Config.withDefault(defaultPolicy.days)),
  atLeast: Config.schema(whole(1, 1_000), "BACKUP_KEEP_AT_LEAST").pipe(Config.withDefault(defaultPolicy.atLeast))
})

export const createSettings = Effect.map(
  readAll({
    compression: Config.schema(Compression, "BACKUP_COMPRESSION").pipe(Config.withDefault("gzip" as const)),
    compressionLevel: Config.schema(whole(0, 19), "BACKUP_COMPRESSION_LEVEL").pipe(Config.withDefault(-1)),
    level: Config.schema(whole(2, highestLevel), "BACKUP_VERIFY_LEVEL").pipe(Config.withDefault(highestLevel))
  }),
  ({ compression, compressionLevel, level }) => ({
    wrapping: compression === "zstd" ? ("zstd" as const) : ("none" as const),
    compression: compressionLevel === -1 ? usualLevel[compression] : compressionLevel,
    level
  })
)
