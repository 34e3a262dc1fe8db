/** What the backup commands run on. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { mkdtemp, chmod, rm } from "node:fs/promises"
import { join } from "node:path"
import { Effect, Layer, Redacted } from "effect"
import * as AgeCipher from "../../adapters/backup/Age.ts"
import * as PsqlDatabase from "../../adapters/backup/Database.ts"
import * as S3Copies from "../../adapters/backup/S3.ts"
import { Servers } from "../../adapters/backup/Servers.ts"
import * as FolderStore from "../../adapters/backup/Store.ts"
import * as PostgresTool from "../../adapters/backup/Tool.ts"
import { EmbeddedPostgres } from "../../adapters/postgres/EmbeddedPostgres.ts"
import { Subprocess } from "../../adapters/process/Subprocess.ts"
import { cipherSettings, copySettings, storeSettings } from "../settings/backup.ts"

/** The names that the compatible farm uses, unless a service file says it all. */
const environment = () =>
  process.env["PGSERVICE"] === undefined ? { PGDATABASE: "vlog", PGUSER: "vlog", ...process.env } : process.env

/** Not below a TMPDIR that the user of the server cannot reach. */
const throwAwayFolder = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = await mkdtemp("/tmp/vlog-scratch-")
    await chmod(folder, 0o755)
    return folder
  }),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

/** A server that is there for these commands only, and gone with them. */
const embedded = Layer.unwrap(
  Effect.gen(function* () {
    const folder = yield* throwAwayFolder
    return EmbeddedPostgres.layer({ dataFolder: join(folder, "data"), durable: false })
  })
).pipe(Layer.provide(NodeServices.layer))

const withEmbedded = Layer.unwrap(
  Effect.gen(function* () {
    const { port, url } = yield* EmbeddedPostgres
    const { username, password, pathname } = new URL(Redacted.value(url))
    return Servers.layerWithScratch(environment(), {
      PGHOST: "127.0.0.1",
      PGPORT: `${port}`,
      PGUSER: decodeURIComponent(username),
      PGPASSWORD: decodeURIComponent(password),
      PGDATABASE: pathname.slice(1),
      PGSSLMODE: "disable"
    })
  })
).pipe(Layer.provide(embedded))

const servers = (scratch: string) => {
  if (scratch === "same") return Servers.layerSame(environment())
  if (scratch === "embedded") return withEmbedded
  return Servers.layerWithScratch(environment(), { PGSERVICE: scratch.replace(/^service:/, "") })
}

const folder = Layer.unwrap(Effect.map(storeSettings, ({ path }) => FolderStore.layer({ root: path })))

const copies = Layer.unwrap(
  Effect.map(copySettings, (settings) => (settings.bucket === "" ? S3Copies.layerNone : S3Copies.layer(settings)))
)

/** Where backups lie. */
export const places = Layer.mergeAll(folder, copies)

const cipher = Layer.unwrap(Effect.map(cipherSettings, AgeCipher.layer))

/** `scratch` overrules the setting. */
export const everything = (options: { readonly scratch?: "embedded" } = {}) =>
  Layer.unwrap(
    Effect.map(storeSettings, (settings) => {
      const drillOn = settings.scratch === "same" ? options.scratch : undefined
      return Layer.mergeAll(PsqlDatabase.layer, PostgresTool.layer).pipe(
        Layer.provide(servers(drillOn ?? settings.scratch)),
        Layer.provide(Subprocess.layer)
      )
    })
  ).pipe(Layer.provideMerge(Layer.merge(places, cipher)))
