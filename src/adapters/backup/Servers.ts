/** How PostgreSQL's programs reach the two servers: by the environment, as libpq reads it, so that nothing is in argv. */
import { Context, Layer } from "effect"
import type { DatabaseRef } from "../../domain/ports/BackupDatabase.ts"

/** The whole environment of a child. */
export type LibpqEnvironment = Readonly<Record<string, string>>

type Variables = Readonly<Record<string, string | undefined>>

export class Servers extends Context.Service<
  Servers,
  { readonly [K in DatabaseRef["server"]]: LibpqEnvironment } & {
    /** The scratch databases are made on the server that is backed up. */
    readonly same: boolean
  }
>()("vlog/adapters/backup/Servers") {
  /** Backups are tried on the server that they come from. */
  static readonly layerSame = (environment: Variables) => {
    const source = complete(environment)
    return Layer.succeed(Servers)({ source, scratch: source, same: true })
  }

  /** `scratch` holds the libpq variables of another server. */
  static readonly layerWithScratch = (environment: Variables, scratch: Readonly<Record<string, string>>) =>
    Layer.succeed(Servers)({
      source: complete(environment),
      scratch: complete({ ...withoutServer(environment), ...scratch }),
      same: false
    })
}

/** Says things in English, in UTF-8, and does not wait for ever. */
const complete = (environment: Variables): LibpqEnvironment => ({
  PGCONNECT_TIMEOUT: "15",
  PGAPPNAME: "vlog-backup",
  ...defined(environment),
  PGCLIENTENCODING: "UTF8",
  LC_ALL: "C"
})

const defined = (environment: Variables): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined))

const withoutServer = (environment: Variables): Variables =>
  Object.fromEntries(
    Object.entries(environment).filter(
      ([name]) => !name.startsWith("PG") || name === "PGPASSFILE" || name === "PGSERVICEFILE"
    )
  )

/**
 * What a program needs besides the environment. A server that vanished without a word is noticed after a minute and a
 * half.
 */
export const connectionString = (database?: string): string =>
  [
    "keepalives_idle=30 keepalives_interval=10 keepalives_count=6",
    ...(database === undefined ? [] : [`dbname='${database.replaceAll(/['\\]/g, String.raw`\$&`)}'`])
  ].join(" ")
