import { mkdtempSync, rmSync } from "node:fs"
import { copyFile, readFile, rm, truncate, writeFile } from "node:fs/promises"
import { createHash } from "node:crypto"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Db } from "../../../src/adapters/postgres/Db.ts"
import { BackupName } from "../../../src/domain/backups/BackupName.ts"
import { BackupDatabase } from "../../../src/domain/ports/BackupDatabase.ts"
import { BackupStore } from "../../../src/domain/ports/BackupStore.ts"
import { BackupTool } from "../../../src/domain/ports/BackupTool.ts"
import { pruneBackups } from "../../../src/domain/programs/PruneBackups.ts"
import { type Selection, verifyBackups } from "../../../src/domain/programs/VerifyBackups.ts"
import { backUp, BackupFolder, backupLayer } from "../../support/backup.ts"
import { TestDatabase } from "../../support/postgres.ts"
import { vi } from "vitest"

// The programs of PostgreSQL are started some dozen times in each test.
vi.setConfig({ testTimeout: 60_000 })

const verify = (upTo: number, selection: Selection = "all") =>
  Effect.gen(function* () {
    const databases = yield* BackupDatabase
    return yield* verifyBackups(yield* databases.session, { selection, upTo })
  }).pipe(Effect.scoped)

const withRows = Effect.gen(function* () {
  const db = yield* Db
  yield* db.query((sql) =>
    sql.unsafe("create table rows as select n, md5(n::text) as text from generate_series(1, 2000) n")
  )
})

const inDatabase = Effect.provide(backupLayer({ database: TestDatabase.layerEmpty }))

/** The same damage in every run. */
const random = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 2 ** 32
}

const damages = (size: number) => {
  const next = random(7)
  const at = () => Math.floor(next() * size)
  const flips = Array.from({ length: 8 }, () => ({ at: at(), bit: Math.floor(next() * 8) })).map(
    ({ at, bit }) =>
      (bytes: Buffer) => {
        bytes[at]! ^= 1 << bit
        return bytes
      }
  )
  const cuts = Array.from({ length: 3 }, at).map((length) => (bytes: Buffer) => bytes.subarray(0, length))
  const holes = Array.from({ length: 3 }, at).map((start) => (bytes: Buffer) => bytes.fill(0, start, start + 4096))
  return [...flips, ...cuts, ...holes]
}

describe("verification", () => {
  it.live("finds flipped bits, truncations and holes by the digest", () =>
    Effect.gen(function* () {
      yield* withRows
      const { path } = yield* BackupFolder
      const { name } = yield* backUp({ level: 2 })
      const file = join(path, name)
      const sound = yield* Effect.promise(() => readFile(file))
      const sidecar = yield* Effect.promise(() => readFile(`${file}.json`))
      const databases = yield* BackupDatabase
      const session = yield* databases.session
      for (const damage of damages(sound.length)) {
        const broken = damage(Buffer.from(sound))
        yield* Effect.promise(() => writeFile(file, broken))
        yield* Effect.promise(() => writeFile(`${file}.json`, sidecar))
        const [result] = yield* verifyBackups(session, { selection: "all", upTo: 2 })
        assert.isNotNull(result!.problem, broken.equals(sound) ? "nothing was damaged" : "damage was not found")
      }
    }).pipe(Effect.scoped, inDatabase)
  )

  it.live("finds most of that by the archive alone, which the table of contents does not", () =>
    Effect.gen(function* () {
      yield* withRows
      const { path } = yield* BackupFolder
      const store = yield* BackupStore
      const tool = yield* BackupTool
      const { name } = yield* backUp({ level: 2 })
      yield* Effect.promise(() => truncate(join(path, name), 20_000))
      yield* tool.contents(store.read(name), "none")
      const error = yield* Effect.flip(tool.readThrough(store.read(name), "none"))
      assert.strictEqual(error._tag, "ArchiveRefused")
    }).pipe(inDatabase)
  )

  it.live("reads a compressed archive to its checksum, which is the last thing in it", () =>
    Effect.gen(function* () {
      yield* withRows
      const store = yield* BackupStore
      const tool = yield* BackupTool
      const { name } = yield* backUp({ level: 2, wrapping: "zstd", compression: 1 })
      const bytes = Buffer.concat(yield* Stream.runCollect(store.read(name)))
      yield* tool.readThrough(Stream.make(bytes), "zstd")
      bytes[bytes.length - 1]! ^= 1
      const error = yield* Effect.flip(tool.readThrough(Stream.make(bytes), "zstd"))
      assert.include(error.message, "it cannot be unpacked")
    }).pipe(inDatabase)
  )

  it.live("finds rows that were changed in the file and in the manifest alike", () =>
    Effect.gen(function* () {
      yield* withRows
      const db = yield* Db
      const { path } = yield* BackupFolder
      const genuine = yield* backUp({ level: 2 })
      yield* db.query((sql) => sql`update rows set text = 'forged' where n = 1000`)
      const forged = yield* backUp({ level: 2 })
      yield* Effect.promise(async () => {
        const bytes = await readFile(join(path, forged.name))
        await writeFile(join(path, genuine.name), bytes)
        const sidecar = join(path, `${genuine.name}.json`)
        const manifest = JSON.parse(await readFile(sidecar, "utf8"))
        manifest.bytes = bytes.length
        manifest.sha256 = createHash("sha256").update(bytes).digest("hex")
        await writeFile(sidecar, JSON.stringify(manifest))
      })
      const [result] = yield* verify(6, genuine.name)
      assert.strictEqual(result!.level, 4)
      assert.include(result!.problem, "public.rows has the right number of rows, but not the same ones")
    }).pipe(inDatabase)
  )

  it.live("misses a deleted file, and does not judge what is not ours", () =>
    Effect.gen(function* () {
      const { path } = yield* BackupFolder
      const store = yield* BackupStore
      const { name } = yield* backUp({ level: 2 })
      const foreign = BackupName.make("vlog-2020-01-01-020000.dump")
      yield* Effect.promise(() => copyFile(join(path, name), join(path, foreign)))
      yield* Effect.promise(() => rm(join(path, name)))
      const results = yield* verify(2)
      assert.deepStrictEqual(
        results.map((result) => [result.name, result.problem]),
        [
          [name, "its file is gone"],
          [foreign, "it has no manifest"]
        ]
      )
      const { removed } = yield* pruneBackups({ days: 0, atLeast: 1 }, { dryRun: false })
      assert.deepStrictEqual(removed, [{ name, why: "failed" }])
      assert.deepStrictEqual(
        (yield* store.list).map(({ name }) => name),
        [foreign]
      )
    }).pipe(inDatabase)
  )

  it.live("blames no backup for a restore that fails although its bytes were restored before", () => {
    const folder = mkdtempSync(join(tmpdir(), "vlog-killed-"))
    const programs = process.env["PATH"]!
    const change = { PATH: `${folder}${delimiter}${programs}` }
    return Effect.gen(function* () {
      const store = yield* BackupStore
      yield* withRows
      const proved = yield* backUp({ level: 4 })
      const unproved = yield* backUp({ level: 2 })
      yield* Effect.promise(() => writeFile(join(folder, "pg_restore"), "#!/bin/sh\nkill -9 $$\n", { mode: 0o755 }))
      const results = yield* verify(6)
      assert.deepStrictEqual(
        results.map(({ name, problem }) => [name, problem?.startsWith("restore: pg_restore was ended by SIGKILL")]),
        [
          [unproved.name, true],
          [proved.name, true]
        ]
      )
      const rejected = (yield* store.list).flatMap((backup) =>
        backup._tag === "Backup" && backup.manifest.rejection !== null ? [backup.name] : []
      )
      assert.deepStrictEqual(rejected, [unproved.name])
    }).pipe(
      Effect.provide(backupLayer({ database: TestDatabase.layerEmpty, change })),
      Effect.ensuring(Effect.sync(() => rmSync(folder, { recursive: true })))
    )
  })

  it.live("marks a damaged backup, which then counts no more and is pruned", () =>
    Effect.gen(function* () {
      const { path } = yield* BackupFolder
      const store = yield* BackupStore
      yield* withRows
      const sound = yield* backUp({ level: 2, wrapping: "zstd", compression: 1 })
      const rotten = yield* backUp({ level: 2 })
      yield* Effect.promise(async () => {
        const file = join(path, rotten.name)
        const bytes = await readFile(file)
        bytes[bytes.length >> 1]! ^= 1
        await writeFile(file, bytes)
      })
      const results = yield* verify(2)
      assert.deepStrictEqual(
        results.map(({ name, problem }) => [name, problem]),
        [
          [rotten.name, "digest: its bytes are not those that were written"],
          [sound.name, null]
        ]
      )
      assert.strictEqual((yield* store.status).reverifyFailures, 1)
      const plan = yield* pruneBackups({ days: 7, atLeast: 3 }, { dryRun: true })
      assert.deepStrictEqual(plan, { kept: [sound.name], removed: [{ name: rotten.name, why: "failed" }] })
      assert.strictEqual((yield* store.list).length, 2)
      yield* pruneBackups({ days: 7, atLeast: 3 }, { dryRun: false })
      assert.strictEqual((yield* store.list).length, 1)
    }).pipe(inDatabase)
  )
})
