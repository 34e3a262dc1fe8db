import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Exit, FileSystem, Layer, Path, Redacted, Scope } from "effect"
import { Db } from "../../../src/adapters/postgres/Db.ts"
import { EmbeddedPostgres, type EmbeddedPostgresOptions } from "../../../src/adapters/postgres/EmbeddedPostgres.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"

const Platform = Layer.mergeAll(NodeServices.layer, Subprocess.layer)

const server = (options: EmbeddedPostgresOptions) => EmbeddedPostgres.layer({ durable: false, ...options })

/** The server of the enclosing scope, and a way to its database. */
const started = Effect.fnUntraced(function* (options: EmbeddedPostgresOptions) {
  const context = yield* Layer.build(server(options))
  return yield* Effect.provide(EmbeddedPostgres, context)
})

const ask = (url: Redacted.Redacted, text: string) =>
  Effect.flatMap(Db, (db) => db.query((sql) => sql.unsafe<Array<{ answer: unknown }>>(text))).pipe(
    Effect.map((rows) => rows[0]?.answer),
    Effect.provide(Db.layer({ url, applicationName: "test", max: 1 }))
  )

/** Where the user postgres may go as well, whatever the folder for temporary files is. */
const temporaryFolder = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped({ directory: "/tmp", prefix: "vlog-embedded-" })
  yield* fs.chmod(folder, 0o755)
  return folder
})

const isRoot = process.getuid?.() === 0

describe("EmbeddedPostgres", () => {
  it.live("keeps its data from one start to the next, also when it was killed in between", () =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      const fs = yield* FileSystem.FileSystem
      const dataFolder = path.join(yield* temporaryFolder, "new", "data")

      yield* Effect.gen(function* () {
        const first = yield* started({ dataFolder, durable: true })
        assert.strictEqual(yield* ask(first.url, "select current_database() as answer"), "vlog")
        assert.strictEqual(yield* ask(first.url, "select current_user::text as answer"), "vlog")
        yield* ask(first.url, "create table kept as select 42 as answer")
      }).pipe(Effect.scoped)
      assert.isFalse(yield* fs.exists(path.join(dataFolder, "postmaster.pid")))

      // As if the machine had gone down, and its number of a process were that of another now.
      yield* fs.writeFileString(path.join(dataFolder, "postmaster.pid"), `${process.pid}\n`)

      // The scope of a server that was killed has nothing left to stop, so it is closed afterwards.
      const killed = yield* Scope.make()
      const second = yield* Scope.provide(started({ dataFolder, durable: true }), killed)
      assert.strictEqual(yield* ask(second.url, "select answer from kept"), 42)
      yield* ask(second.url, "insert into kept values (43)")
      process.kill(second.pid, "SIGKILL")
      const died = yield* Effect.flip(second.died)
      assert.strictEqual(died.reason, "Stopped")

      const third = yield* started({ dataFolder, durable: true })
      assert.strictEqual(yield* ask(third.url, "select sum(answer)::int as answer from kept"), 85)
      yield* Scope.close(killed, Exit.void)
      const siblings = yield* fs.readDirectory(path.dirname(dataFolder))
      assert.deepStrictEqual(siblings, ["data"])
    }).pipe(Effect.scoped, Effect.provide(Platform))
  )

  it.live("refuses a second server on the same folder, a taken port, and another password", () =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      const folder = yield* temporaryFolder
      const dataFolder = path.join(folder, "data")
      const password = Redacted.make("first:p@ss/word")
      const first = yield* started({ dataFolder, password })
      assert.strictEqual(yield* ask(first.url, "select 1 as answer"), 1)

      const second = yield* Effect.flip(Effect.scoped(started({ dataFolder, password })))
      assert.strictEqual(second.reason, "AlreadyRunning")
      assert.include(second.message, dataFolder)
      assert.include(second.message, `process ${first.pid}`)

      const wrong = Redacted.make(Redacted.value(first.url).replace("first", "second"))
      const refused = yield* Effect.flip(ask(wrong, "select 1 as answer"))
      assert.strictEqual(refused.code, "28P01")

      const other = path.join(folder, "other")
      const taken = yield* Effect.flip(Effect.scoped(started({ dataFolder: other, port: first.port })))
      assert.strictEqual(taken.reason, "PortBusy")
      assert.include(taken.message, `port ${first.port}`)

      yield* Effect.scoped(started({ dataFolder: other, password: Redacted.make("one") })).pipe(
        Effect.flip,
        Effect.tap((error) => Effect.sync(() => assert.strictEqual(error.reason, "WrongPassword")))
      )
    }).pipe(Effect.scoped, Effect.provide(Platform))
  )

  it.live("says why a folder cannot be used", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const folder = yield* temporaryFolder

      const file = path.join(folder, "file")
      yield* fs.writeFileString(file, "in the way")
      const inPlace = yield* Effect.flip(Effect.scoped(started({ dataFolder: file })))
      assert.strictEqual(inPlace.reason, "FolderUnusable")
      assert.include(inPlace.message, `${file}: there is a file in its place`)

      const below = yield* Effect.flip(Effect.scoped(started({ dataFolder: path.join(file, "data") })))
      assert.strictEqual(below.reason, "FolderUnusable")

      const foreign = yield* Effect.flip(Effect.scoped(started({ dataFolder: folder })))
      assert.strictEqual(foreign.reason, "FolderUnusable")
      assert.include(foreign.message, "it holds other files")

      yield* fs.makeDirectory(path.join(folder, "old"))
      yield* fs.writeFileString(path.join(folder, "old", "PG_VERSION"), "14\n")
      const old = yield* Effect.flip(Effect.scoped(started({ dataFolder: path.join(folder, "old") })))
      assert.include(old.message, "made by PostgreSQL 14")
      assert.strictEqual(yield* fs.readFileString(path.join(folder, "old", "PG_VERSION")), "14\n")
    }).pipe(Effect.scoped, Effect.provide(Platform))
  )

  it.live.runIf(isRoot)("keeps the data where its user can reach it when the folder is closed to others", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const closed = path.join(yield* temporaryFolder, "closed")
      yield* fs.makeDirectory(closed, { mode: 0o700 })
      const dataFolder = path.join(closed, "data")
      yield* Effect.gen(function* () {
        const { url } = yield* started({ dataFolder })
        yield* ask(url, "create table kept as select 42 as answer")
      }).pipe(Effect.scoped)

      const kept = yield* fs.readLink(dataFolder)
      assert.match(kept, /^\/var\/lib\/vlog\/data-[0-9a-f]{12}$/)
      yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(kept, { recursive: true })))
      const { url } = yield* started({ dataFolder })
      assert.strictEqual(yield* ask(url, "select answer from kept"), 42)
    }).pipe(Effect.scoped, Effect.provide(Platform))
  )
})
