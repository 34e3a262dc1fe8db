/** A PostgreSQL server, a folder for backups, and all that makes them, for one measurement. */
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Context, Effect, Layer, Redacted, References } from "effect"
import * as AgeCipher from "../../src/adapters/backup/Age.ts"
import * as PsqlDatabase from "../../src/adapters/backup/Database.ts"
import * as S3Copies from "../../src/adapters/backup/S3.ts"
import { Servers } from "../../src/adapters/backup/Servers.ts"
import * as FolderStore from "../../src/adapters/backup/Store.ts"
import * as PostgresTool from "../../src/adapters/backup/Tool.ts"
import { Db } from "../../src/adapters/postgres/Db.ts"
import { EmbeddedPostgres } from "../../src/adapters/postgres/EmbeddedPostgres.ts"
import { Subprocess } from "../../src/adapters/process/Subprocess.ts"

export class Place extends Context.Service<
  Place,
  { readonly folder: string; readonly environment: Readonly<Record<string, string>> }
>()("vlog/bench/support/Place") {}

/** Not below a TMPDIR that the user of the server cannot reach. */
const temporary = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = await mkdtemp("/tmp/vlog-bench-")
    await chmod(folder, 0o755)
    return folder
  }),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

const benchOn = ({ durable }: { readonly durable: boolean }) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const folder = yield* temporary
      const server = yield* Layer.build(EmbeddedPostgres.layer({ dataFolder: join(folder, "data"), durable }))
      const { url } = Context.get(server, EmbeddedPostgres)
      const { hostname, password, pathname, port, username } = new URL(Redacted.value(url))
      const environment = {
        PGHOST: hostname,
        PGPORT: port,
        PGUSER: username,
        PGPASSWORD: decodeURIComponent(password),
        PGDATABASE: pathname.slice(1)
      }
      const servers = Servers.layerSame({ ...process.env, ...environment })
      return Layer.mergeAll(
        Layer.succeed(Place)({ folder, environment }),
        Db.layer({ url, applicationName: "bench", statementTimeout: "10 minutes" }),
        FolderStore.layer({ root: folder }),
        S3Copies.layerNone,
        AgeCipher.layer({ recipients: [], identityFile: "" }),
        Layer.mergeAll(PsqlDatabase.layer, PostgresTool.layer).pipe(Layer.provide(servers))
      )
    })
  ).pipe(
    Layer.provideMerge(
      Layer.mergeAll(NodeServices.layer, Subprocess.layer, Layer.succeed(References.MinimumLogLevel)("Warn"))
    )
  )

export const bench = benchOn({ durable: true })

/** Where no time is measured. */
export const forgetfulBench = benchOn({ durable: false })

/** So many megabytes of jobs as they look: numbers, times, JSON and digests. */
export const fill = Effect.fnUntraced(function* (megabytes: number) {
  const db = yield* Db
  yield* db.query((sql) =>
    sql.unsafe(`
      create table jobs as
      select n                                                      as id,
             md5(n::text)::uuid                                     as lease,
             timestamptz '2026-01-01' + n * interval '7 seconds'    as at,
             (array['queued', 'leased', 'done', 'failed'])[1 + n % 4] as state,
             jsonb_build_object('step', 'encode', 'percent', n % 101, 'worker', md5((n % 97)::text),
                                'sha256', md5(n::text || 'a') || md5(n::text || 'b')) as progress,
             repeat(md5((n * 7)::text), 4)                          as text
        from generate_series(1, ${Math.round(megabytes * 2_230)}) n;
      alter table jobs add primary key (id);
      create index on jobs (state, at);
      analyze jobs`)
  )
  const [size] = yield* db.query<{ bytes: number }>((sql) => sql`select pg_database_size(current_database()) as bytes`)
  return size!.bytes
})
