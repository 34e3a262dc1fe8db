import { readFileSync, writeFileSync } from "node:fs"
import { readdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import { vi } from "vitest"
import * as S3Copies from "../../../src/adapters/backup/S3.ts"
import { Db } from "../../../src/adapters/postgres/Db.ts"
import { BackupCopies } from "../../../src/domain/ports/BackupCopies.ts"
import { BackupDatabase } from "../../../src/domain/ports/BackupDatabase.ts"
import { BackupStore } from "../../../src/domain/ports/BackupStore.ts"
import { allBackups } from "../../../src/domain/programs/Catalogue.ts"
import { copyBackups } from "../../../src/domain/programs/CopyBackups.ts"
import { restoreBackup } from "../../../src/domain/programs/RestoreBackup.ts"
import { type Selection, verifyBackups } from "../../../src/domain/programs/VerifyBackups.ts"
import { backUp, BackupFolder, backupLayer } from "../../support/backup.ts"
import { TestDatabase } from "../../support/postgres.ts"
import { s3Credentials, TestS3 } from "../../support/s3.ts"

// The programs of PostgreSQL are started some dozen times in each test.
vi.setConfig({ testTimeout: 60_000 })

for (const [name, value] of Object.entries(s3Credentials)) vi.stubEnv(name, value)

const prefix = "farm/"
const policy = { days: 7, atLeast: 3 }

const copies = (change: Partial<S3Copies.S3Options> = {}) =>
  Layer.unwrap(
    Effect.map(TestS3, ({ bucket, endpoint }) =>
      S3Copies.layer({ bucket, prefix, endpoint, region: "us-east-1", pathStyle: true, ...change })
    )
  )

const inDatabase = Effect.provide(
  Layer.merge(
    backupLayer({ database: TestDatabase.layerEmpty, copies: copies().pipe(Layer.provide(TestS3.layer)) }),
    TestS3.layer
  )
)

const shelf = Effect.map(BackupCopies, ({ shelf }) => shelf!)

/** Incompressible, so that the copy takes more than one part. */
const withRows = (count: number) =>
  Effect.flatMap(Db, (db) =>
    db.query((sql) =>
      sql.unsafe(`create table rows as
                  select n, sha512(n::text::bytea) as a, sha512((-n)::text::bytea) as b from generate_series(1, ${count}) n`)
    )
  )

const verify = (selection: Selection, from?: "folder" | "copy") =>
  Effect.gen(function* () {
    const databases = yield* BackupDatabase
    return yield* verifyBackups(yield* databases.session, { selection, upTo: 3, from })
  }).pipe(Effect.scoped)

/** What the server keeps of an object. */
const objectFile = Effect.fnUntraced(function* (name: string) {
  const { folder } = yield* TestS3
  const files = yield* Effect.promise(() => readdir(folder, { recursive: true }))
  return join(
    folder,
    files.find((file) => file.includes(name) && file.endsWith("_object") && !file.includes(".json"))!
  )
})

const flipBit = (file: string) => {
  const bytes = readFileSync(file)
  bytes[bytes.length >> 1]! ^= 1
  writeFileSync(file, bytes)
}

describe("a copy", () => {
  it.live("goes in parts, is read back, and serves when the file is gone", () =>
    Effect.gen(function* () {
      yield* withRows(100_000)
      const { path } = yield* BackupFolder
      const s3 = yield* TestS3
      const manifest = yield* backUp({ level: 2 })
      assert.isAbove(manifest.bytes, 8 * 1024 * 1024)
      const report = yield* copyBackups(policy)
      assert.deepStrictEqual(report, { place: `s3://${s3.bucket}/farm/`, copied: [manifest.name], removed: [] })
      assert.isAbove(s3.requests.filter((request) => /^PUT .*partNumber=/.test(request)).length, 1)
      assert.strictEqual(
        s3.requests.filter((request) => request.startsWith(`GET /${s3.bucket}/farm/${manifest.name}?`)).length,
        1
      )
      assert.deepStrictEqual((yield* copyBackups(policy))!.copied, [])

      yield* Effect.promise(() => rm(join(path, manifest.name)))
      const [listed] = yield* allBackups
      assert.deepStrictEqual([listed!.backup.name, listed!.places], [manifest.name, ["copy"]])
      const [verified] = yield* verify(manifest.name)
      assert.deepStrictEqual([verified!.level, verified!.problem], [3, null])
      const [proved] = yield* Effect.flatMap(shelf, ({ list }) => list)
      assert.strictEqual(proved!._tag === "Backup" && proved!.manifest.level, 3)
      const databases = yield* BackupDatabase
      const restored = yield* Effect.flatMap(databases.session, (session) =>
        restoreBackup(session, {
          backup: "newest",
          into: `${session.facts.database}_copy`,
          tables: [],
          withRoles: true,
          swap: false,
          disconnect: false,
          dryRun: false
        })
      ).pipe(Effect.scoped)
      yield* databases.drop({ server: "source", name: restored.database })
      assert.deepStrictEqual([restored.from, restored.rows], ["copy", 100_000])
    }).pipe(inDatabase)
  )

  it.live("that was changed on its way, or later, is found and made anew", () =>
    Effect.gen(function* () {
      yield* withRows(10)
      const there = yield* shelf
      const { name } = yield* backUp({ level: 2 })
      yield* copyBackups(policy)
      const file = yield* objectFile(name)
      flipBit(file)
      const [rotten] = yield* verify("all", "copy")
      assert.include(rotten!.problem, "its bytes are not those that were written")
      assert.strictEqual((yield* verify("all"))[0]!.problem, null)
      assert.deepStrictEqual((yield* copyBackups(policy))!.copied, [name])
      assert.strictEqual((yield* verify("all", "copy"))[0]!.problem, null)

      const s3 = yield* TestS3
      yield* there.remove(name)
      s3.fault = (request) => {
        if (request.startsWith("GET ") && request.includes(`${name}?`)) flipBit(file)
        return undefined
      }
      const changed = yield* Effect.flip(copyBackups(policy))
      assert.strictEqual(changed._tag, "CopyProblem")
      assert.include(changed.message, "read back are not those that were sent")
      assert.deepStrictEqual(yield* there.list, [])
      s3.fault = () => undefined

      // The file here is other than its manifest says: no copy of that.
      const { path } = yield* BackupFolder
      flipBit(join(path, name))
      const error = yield* Effect.flip(copyBackups(policy))
      assert.strictEqual(error._tag, "VerificationFailed")
      assert.deepStrictEqual(yield* there.list, [])
    }).pipe(inDatabase)
  )

  it.live("follows later when the storage was away, and never harms what is here", () =>
    Effect.gen(function* () {
      yield* withRows(10)
      const s3 = yield* TestS3
      const store = yield* BackupStore
      const first = yield* backUp({ level: 2 })
      s3.fault = (request) => (request.startsWith("PUT ") ? 500 : undefined)
      const failed = yield* Effect.flip(copyBackups(policy))
      assert.strictEqual(failed._tag, "CopyProblem")
      assert.include(failed.message, "The backups in BACKUP_PATH are as they were")
      assert.deepStrictEqual(yield* Effect.flatMap(shelf, ({ list }) => list), [])
      assert.isNull((yield* store.status).lastCopy)
      // A run that is killed after the bytes: there is a copy, which does not count.
      s3.fault = (request) => (request.startsWith("GET ") && request.includes(".dump?") ? 403 : undefined)
      const denied = yield* Effect.flip(copyBackups(policy))
      assert.include(denied.message, "AWS_ACCESS_KEY_ID")
      const [broken] = yield* Effect.flatMap(shelf, ({ list }) => list)
      assert.include(broken!._tag === "Backup" && broken!.manifest.rejection?.problem, "not copied to the end")
      s3.fault = () => undefined
      const second = yield* backUp({ level: 2 })
      assert.deepStrictEqual((yield* copyBackups(policy))!.copied, [second.name, first.name])
      assert.strictEqual((yield* store.status).lastCopy?.name, second.name)
      assert.strictEqual((yield* store.list).length, 2)
    }).pipe(inDatabase)
  )

  it.live("is removed by a rule of its own, which leaves as many as it should", () =>
    Effect.gen(function* () {
      yield* withRows(10)
      const there = yield* shelf
      const store = yield* BackupStore
      const now = yield* Clock.currentTimeMillis
      const names: Array<string> = []
      for (const days of [40, 30, 20, 10, 1]) {
        const manifest = yield* backUp({ level: 2 })
        const aged = { ...manifest, takenAt: new Date(now - days * 86_400_000) }
        yield* store.writeManifest(aged)
        names.push(manifest.name)
        if (days > 20) {
          yield* there.put(manifest.name, manifest.bytes, store.read(manifest.name))
          yield* there.writeManifest(aged)
        }
      }
      // The two oldest are there already. Of the others, only what is to stay is copied at all.
      const report = yield* copyBackups({ days: 15, atLeast: 3 })
      assert.deepStrictEqual(report!.copied, names.slice(2).toReversed())
      assert.deepStrictEqual(
        report!.removed.map(({ name }) => name),
        names.slice(0, 2).toReversed()
      )
      assert.deepStrictEqual((yield* copyBackups({ days: 0, atLeast: 3 }))!.removed, [])
      assert.strictEqual((yield* there.list).length, 3)
      assert.strictEqual((yield* store.list).length, 5)
    }).pipe(inDatabase)
  )

  it.live("of another database under the same name is never replaced", () =>
    Effect.gen(function* () {
      yield* withRows(10)
      const there = yield* shelf
      const manifest = yield* backUp({ level: 2 })
      yield* copyBackups(policy)
      const foreign = { ...manifest, sha256: manifest.sha256.replace(/./, (first) => (first === "0" ? "1" : "0")) }
      yield* there.writeManifest({ ...manifest, sha256: foreign.sha256 as typeof manifest.sha256 })
      assert.include((yield* Effect.flip(copyBackups(policy))).message, "BACKUP_S3_PREFIX of its own")
    }).pipe(inDatabase)
  )
})

describe("copies are refused, with what to do", () => {
  const problem = (change: Partial<S3Copies.S3Options>) =>
    Effect.gen(function* () {
      const { shelf } = yield* BackupCopies
      return (yield* Effect.flip(shelf!.list)).message
    }).pipe(Effect.provide(copies(change).pipe(Layer.provide(TestS3.layer))))

  it.live("for a bucket, a server or a key that is not there", () =>
    Effect.gen(function* () {
      assert.include(yield* problem({ bucket: "nothing" }), "check BACKUP_S3_BUCKET")
      assert.include(yield* problem({ endpoint: "http://127.0.0.1:1" }), "check BACKUP_S3_ENDPOINT")
      vi.stubEnv("AWS_ACCESS_KEY_ID", "NOBODY")
      const denied = yield* problem({}).pipe(
        Effect.ensuring(Effect.sync(() => vi.stubEnv("AWS_ACCESS_KEY_ID", s3Credentials.AWS_ACCESS_KEY_ID)))
      )
      assert.include(denied, "check AWS_ACCESS_KEY_ID")
      assert.notInclude(denied, s3Credentials.AWS_SECRET_ACCESS_KEY)
    })
  )
})
