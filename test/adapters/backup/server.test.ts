import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import { execa, execaSync } from "execa"
import { vi } from "vitest"
import * as AgeCipher from "../../../src/adapters/backup/Age.ts"
import * as PsqlDatabase from "../../../src/adapters/backup/Database.ts"
import * as S3Copies from "../../../src/adapters/backup/S3.ts"
import { Servers } from "../../../src/adapters/backup/Servers.ts"
import * as FolderStore from "../../../src/adapters/backup/Store.ts"
import * as PostgresTool from "../../../src/adapters/backup/Tool.ts"
import { Db } from "../../../src/adapters/postgres/Db.ts"
import { EmbeddedPostgres } from "../../../src/adapters/postgres/EmbeddedPostgres.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"
import { backUp, libpq } from "../../support/backup.ts"

// A server of its own, whose settings are changed and which is restarted.
vi.setConfig({ testTimeout: 180_000 })

const temporary = (prefix: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await mkdtemp(prefix)
      await chmod(folder, 0o755)
      return folder
    }),
    (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
  )

interface Place {
  /** For backups, keys and files of passwords. */
  readonly folder: string
  readonly data: string
  readonly libpq: Readonly<Record<string, string>>
}

class Own extends Context.Service<Own, Place>()("vlog/test/adapters/backup/server/Own") {}

/** Not below a TMPDIR that the user of the server cannot reach. */
const own = Layer.effectContext(
  Effect.gen(function* () {
    const server = yield* temporary("/tmp/vlog-test-own-")
    const data = join(server, "data")
    // One that is killed keeps what was committed only if it waits for the disk.
    const context = yield* Layer.build(EmbeddedPostgres.layer({ dataFolder: data, durable: true }))
    const { url } = Context.get(context, EmbeddedPostgres)
    const db = yield* Layer.build(Db.layer({ url, applicationName: "test", max: 1 }))
    const folder = yield* temporary(join(tmpdir(), "vlog-server-test-"))
    return Context.merge(db, Context.make(Own, { folder, data, libpq: libpq(url) }))
  })
).pipe(Layer.provideMerge(Layer.mergeAll(NodeServices.layer, Subprocess.layer)))

/** With these variables of libpq, and no others. */
const backUpWith = (environment: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const { folder } = yield* Own
    const path = process.env["PATH"] ?? ""
    return yield* backUp({ level: 4 }).pipe(
      Effect.provide(
        Layer.mergeAll(
          FolderStore.layer({ root: folder }),
          S3Copies.layerNone,
          AgeCipher.layer({ recipients: [], identityFile: "" }),
          Layer.mergeAll(PsqlDatabase.layer, PostgresTool.layer).pipe(
            Layer.provide([Servers.layerSame({ PATH: path, ...environment }), Subprocess.layer])
          )
        )
      )
    )
  })

const backupsIn = (folder: string) =>
  Effect.promise(async () =>
    (await readdir(folder)).filter((file) => file.includes(".dump") || file.includes("partial"))
  )

const sql = (text: string) => Effect.flatMap(Db, (db) => db.query((query) => query.unsafe(text)))

const hasOpenssl = !execaSync("openssl", ["version"], { reject: false }).failed

/** A certificate for localhost, its own authority. */
const makeCertificate = Effect.fnUntraced(function* (folder: string, name: string) {
  const [key, certificate] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)]
  yield* Effect.promise(() =>
    execa(
      "openssl",
      [
        "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=localhost",
        "-addext subjectAltName=DNS:localhost -keyout"
      ]
        .join(" ")
        .split(" ")
        .concat(key, "-out", certificate)
    )
  )
  return { key, certificate }
})

/** The server reads none but its own files, and its key only where nobody else may. */
const giveToServer = Effect.fnUntraced(function* (from: string, to: string) {
  const { stdout } = yield* Effect.promise(() => execa("cat", [from]))
  yield* sql(
    `copy (select unnest(string_to_array('${stdout.trim()}', e'\\n'))) to program 'cat > ${to} && chmod 600 ${to}'`
  )
})

describe("the server is reached", () => {
  it.live.skipIf(!hasOpenssl)("by TLS that is verified, with a file of passwords or of services (needs openssl)", () =>
    Effect.gen(function* () {
      const { data, folder, libpq } = yield* Own
      const { PGDATABASE, PGPASSWORD, PGPORT, PGUSER } = libpq as Record<string, string>
      const { certificate, key } = yield* makeCertificate(folder, "server")
      const stranger = yield* makeCertificate(folder, "stranger")
      yield* giveToServer(key, join(data, "server.key"))
      yield* giveToServer(certificate, join(data, "server.crt"))
      yield* sql("alter system set ssl = on")
      yield* sql("select pg_reload_conf()")
      yield* sql("create table t as select 1 as n")

      const passwords = join(folder, "pgpass")
      yield* Effect.promise(() =>
        writeFile(passwords, `localhost:${PGPORT}:*:${PGUSER}:${PGPASSWORD}\n`, { mode: 0o600 })
      )
      const verified = {
        PGHOST: "localhost",
        PGHOSTADDR: "127.0.0.1",
        PGPORT: PGPORT!,
        PGDATABASE: PGDATABASE!,
        PGUSER: PGUSER!,
        PGPASSFILE: passwords,
        PGSSLMODE: "verify-full",
        PGSSLROOTCERT: certificate
      }
      assert.strictEqual((yield* backUpWith(verified)).level, 4)

      const services = join(folder, "services.conf")
      const service = `[farm]\nhost=localhost\nhostaddr=127.0.0.1\nport=${PGPORT}\ndbname=${PGDATABASE}\nuser=${PGUSER}\n`
      yield* Effect.promise(() =>
        writeFile(services, `${service}password=${PGPASSWORD}\nsslmode=verify-full\nsslrootcert=${certificate}\n`)
      )
      assert.strictEqual((yield* backUpWith({ PGSERVICE: "farm", PGSERVICEFILE: services })).level, 4)

      const refusals = [
        [{ ...verified, PGSSLROOTCERT: stranger.certificate }, "certificate verify failed"],
        [{ ...verified, PGSSLROOTCERT: join(folder, "nowhere.crt") }, "does not exist"],
        [{ ...verified, PGPASSFILE: join(folder, "nowhere") }, "no password supplied"]
      ] as const
      for (const [environment, reason] of refusals) {
        const { message } = yield* Effect.flip(backUpWith(environment))
        assert.include(message, reason)
        assert.match(
          message,
          /check (PGHOST, PGPORT and the TLS settings|PGUSER, PGPASSWORD or the file in PGPASSFILE)/
        )
        assert.notInclude(message, PGPASSWORD!)
      }
      assert.lengthOf(yield* backupsIn(folder), 4)
    }).pipe(Effect.provide(own))
  )

  it.live("again after a restart in the middle, which left no file, and the earlier backup as it was", () =>
    Effect.gen(function* () {
      const { folder, libpq } = yield* Own
      const first = yield* backUpWith(libpq)
      yield* sql("create table big as select n, md5(n::text) as text from generate_series(1, 300000) n")
      const dumping = yield* Effect.forkChild(Effect.flip(backUpWith(libpq)))
      const busy = `select pid from pg_stat_activity where query like 'COPY public.big%'`
      const pids = yield* sql(busy).pipe(
        Effect.repeat({ until: (rows) => rows.length > 0 }),
        Effect.timeout("20 seconds")
      )
      // One killed session makes the server end all of them, and recover as after a crash.
      yield* Effect.sync(() => process.kill(Number(pids[0]!["pid"]), "SIGKILL"))
      const error = yield* Fiber.join(dumping)
      assert.strictEqual(error._tag, "DatabaseProblem")
      assert.match(error.message, /check PGHOST, PGPORT|terminat/)
      assert.deepStrictEqual((yield* backupsIn(folder)).toSorted(), [first.name, `${first.name}.json`])

      yield* sql("select").pipe(Effect.retry({ times: 200 }))
      const again = yield* backUpWith(libpq).pipe(Effect.retry({ times: 20 }))
      assert.strictEqual(again.level, 4)
      assert.strictEqual(again.fingerprint.tables.find(({ name }) => name === "big")?.rows, 300_000)
    }).pipe(Effect.provide(own))
  )
})
