/** What the environment says to the backup command. */
import { Config, Effect, Option, Schema } from "effect"
import { defaultPolicy } from "../../domain/backups/Retention.ts"
import { highestLevel } from "../../domain/backups/Verification.ts"
import { whole } from "./bounds.ts"
import { readAll } from "./readAll.ts"

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

const days = whole(0, 36_500)
const atLeast = whole(1, 1_000)

/** Copies are kept as the backups are, unless something else is said. */
export const policySettings = Effect.map(
  readAll({
    days: Config.schema(days, "BACKUP_RETENTION_DAYS").pipe(Config.withDefault(defaultPolicy.days)),
    atLeast: Config.schema(atLeast, "BACKUP_KEEP_AT_LEAST").pipe(Config.withDefault(defaultPolicy.atLeast)),
    copyDays: Config.option(Config.schema(days, "BACKUP_S3_RETENTION_DAYS")),
    copyAtLeast: Config.option(Config.schema(atLeast, "BACKUP_S3_KEEP_AT_LEAST"))
  }),
  ({ atLeast, copyAtLeast, copyDays, days }) => ({
    folder: { days, atLeast },
    copies: {
      days: Option.getOrElse(copyDays, () => days),
      atLeast: Option.getOrElse(copyAtLeast, () => atLeast)
    }
  })
)

/** Public keys are separated by commas or white space. */
export const cipherSettings = Effect.map(
  readAll({
    recipients: Config.String("BACKUP_AGE_RECIPIENTS").pipe(Config.withDefault("")),
    identityFile: Config.String("BACKUP_AGE_IDENTITY_FILE").pipe(Config.withDefault(""))
  }),
  ({ identityFile, recipients }) => ({
    identityFile,
    recipients: recipients.split(/[\s,]+/).filter((recipient) => recipient !== "")
  })
)

const Endpoint = Schema.String.pipe(
  Schema.check(Schema.makeFilter((text) => /^(https?:\/\/.+)?$/.test(text) || "Expected https://HOST or http://HOST"))
)

/** The credentials are left to the client: it looks where every tool for S3 looks. */
export const copySettings = Effect.map(
  readAll({
    bucket: Config.String("BACKUP_S3_BUCKET").pipe(Config.withDefault("")),
    prefix: Config.String("BACKUP_S3_PREFIX").pipe(Config.withDefault("")),
    endpoint: Config.schema(Endpoint, "BACKUP_S3_ENDPOINT").pipe(Config.withDefault("")),
    region: Config.option(Config.String("BACKUP_S3_REGION")),
    awsRegion: Config.String("AWS_REGION").pipe(Config.withDefault("us-east-1")),
    pathStyle: Config.option(Config.Boolean("BACKUP_S3_PATH_STYLE"))
  }),
  ({ awsRegion, bucket, endpoint, pathStyle, prefix, region }) => ({
    bucket,
    prefix,
    endpoint,
    region: Option.getOrElse(region, () => awsRegion),
    // Only AWS has a host name for each bucket as a rule.
    pathStyle: Option.getOrElse(pathStyle, () => endpoint !== "")
  })
)

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
