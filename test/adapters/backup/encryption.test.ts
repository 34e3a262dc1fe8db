import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as age from "age-encryption"
import { Effect, Layer, Stream } from "effect"
import { execa, execaSync } from "execa"
import { vi } from "vitest"
import * as AgeCipher from "../../../src/adapters/backup/Age.ts"
import { Db } from "../../../src/adapters/postgres/Db.ts"
import { BackupCipher } from "../../../src/domain/ports/BackupCipher.ts"
import { BackupDatabase } from "../../../src/domain/ports/BackupDatabase.ts"
import { BackupStore } from "../../../src/domain/ports/BackupStore.ts"
import { drillRestore } from "../../../src/domain/programs/DrillRestore.ts"
import { verifyBackups } from "../../../src/domain/programs/VerifyBackups.ts"
import { backUp, BackupFolder, backupLayer } from "../../support/backup.ts"
import { TestDatabase } from "../../support/postgres.ts"

// The programs of PostgreSQL are started some dozen times in each test.
vi.setConfig({ testTimeout: 60_000 })

interface Pair {
  readonly identity: string
  readonly recipient: string
}

const makePair = (generate: () => Promise<string>) =>
  Effect.promise(async (): Promise<Pair> => {
    const identity = await generate()
    return { identity, recipient: await age.identityToRecipient(identity) }
  })

/** As age-keygen writes it. */
const identityFile = (pair: Pair) =>
  Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "vlog-age-"))),
      (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
    )
    const file = join(folder, "key.txt")
    const text = `# created: 2026-01-01T00:00:00Z\n# public key: ${pair.recipient}\n${pair.identity}\n`
    yield* Effect.promise(() => writeFile(file, text))
    return file
  })

const withAge = (options: AgeCipher.AgeOptions) => Effect.provide(AgeCipher.layer(options))

const inDatabase = Effect.provide(backupLayer({ database: TestDatabase.layerEmpty }))

const withRows = Effect.gen(function* () {
  const db = yield* Db
  yield* db.query((sql) =>
    sql.unsafe("create table rows as select n, md5(n::text) as text from generate_series(1, 2000) n")
  )
})

const verify = (upTo: number) =>
  Effect.gen(function* () {
    const databases = yield* BackupDatabase
    return yield* verifyBackups(yield* databases.session, { selection: "all", upTo })
  }).pipe(Effect.scoped)

describe("an encrypted backup", () => {
  it.live("is proved like any other, and read by the owner of any of its keys", () =>
    Effect.gen(function* () {
      yield* withRows
      const { path } = yield* BackupFolder
      const [office, safe] = [yield* makePair(age.generateX25519Identity), yield* makePair(age.generateX25519Identity)]
      const recipients = [office.recipient, safe.recipient]
      const manifest = yield* backUp({ wrapping: "zstd", compression: 1 }).pipe(
        withAge({ recipients, identityFile: "" })
      )
      assert.strictEqual(manifest.level, 6)
      assert.match(manifest.name, /\.dump\.zst\.age$/)
      assert.deepStrictEqual(manifest.encryptedFor, recipients)
      const stored = yield* Effect.promise(() => readFile(join(path, manifest.name)))
      assert.isTrue(stored.toString("latin1").startsWith("age-encryption.org/v1\n"))

      const [result] = yield* verify(3).pipe(withAge({ recipients: [], identityFile: yield* identityFile(office) }))
      assert.deepStrictEqual([result!.level, result!.problem, result!.unread], [3, null, null])
      const file = yield* identityFile(safe)
      const drill = yield* drillRestore().pipe(withAge({ recipients: [], identityFile: file }))
      assert.strictEqual(drill.rows, 2000)
    }).pipe(Effect.scoped, inDatabase)
  )

  it.live("is not called damaged by who has no key, or a wrong one, and is by who finds other bytes", () =>
    Effect.gen(function* () {
      yield* withRows
      const { path } = yield* BackupFolder
      const store = yield* BackupStore
      const [ours, other] = [yield* makePair(age.generateX25519Identity), yield* makePair(age.generateX25519Identity)]
      const { name } = yield* backUp({ level: 2 }).pipe(withAge({ recipients: [ours.recipient], identityFile: "" }))
      const wrong = { recipients: [], identityFile: yield* identityFile(other) }

      const [without] = yield* verify(6)
      assert.isNull(without!.problem)
      assert.include(without!.unread, "BACKUP_AGE_IDENTITY_FILE")
      assert.deepStrictEqual(
        without!.checks.map(({ check, outcome }) => [check, outcome]),
        [
          ["contents", "skipped"],
          ["digest", "passed"]
        ]
      )
      const [unfit] = yield* verify(6).pipe(withAge(wrong))
      assert.isNull(unfit!.problem)
      assert.include(unfit!.unread, "no key in")
      assert.include((yield* Effect.flip(drillRestore())).message, `set BACKUP_AGE_IDENTITY_FILE`)
      assert.include((yield* Effect.flip(drillRestore().pipe(withAge(wrong)))).message, "no key in")
      const [listed] = yield* store.list
      assert.strictEqual(listed!._tag === "Backup" && listed!.manifest.rejection, null)

      // In the header, where a wrong key looks the same.
      yield* Effect.promise(async () => {
        const bytes = await readFile(join(path, name))
        bytes[60]! ^= 1
        await writeFile(join(path, name), bytes)
      })
      const [damaged] = yield* verify(6).pipe(withAge(wrong))
      assert.include(damaged!.problem, "its bytes are not those that were written")
    }).pipe(Effect.scoped, inDatabase)
  )
})

const missingPrograms = ["age", "zstd"].filter((program) => execaSync(program, ["--version"], { reject: false }).failed)

describe("the program age", () => {
  it.live.skipIf(missingPrograms.length > 0)(
    "reads our backups without us, and what it encrypts is read by us (needs age and zstd: apt-get install age zstd)",
    () =>
      Effect.gen(function* () {
        yield* withRows
        const { path } = yield* BackupFolder
        const file = join(path, "key.txt")
        yield* Effect.promise(() => execa("age-keygen", ["-o", file]))
        const { stdout: recipient } = yield* Effect.promise(() => execa("age-keygen", ["-y", file]))
        const { name } = yield* backUp({ level: 2, wrapping: "zstd", compression: 1 }).pipe(
          withAge({ recipients: [recipient], identityFile: "" })
        )
        const byHand = `age -d -i "${file}" "${join(path, name)}" | zstd -d | pg_restore --list`
        const { stdout: contents } = yield* Effect.promise(() => execa("sh", ["-c", byHand]))
        assert.match(contents, / TABLE DATA public rows /)

        const plain = Buffer.alloc(200_000, "some text ")
        const { stdout: theirs } = yield* Effect.promise(() =>
          execa("age", ["-r", recipient], { input: plain, encoding: "buffer" })
        )
        const opened = yield* Effect.flatMap(BackupCipher, ({ decrypt }) =>
          Stream.runCollect(decrypt(Stream.make(theirs)))
        ).pipe(withAge({ recipients: [], identityFile: file }))
        assert.isTrue(Buffer.concat(opened).equals(plain))
      }).pipe(inDatabase)
  )
})

describe("age", () => {
  const seal = (recipients: ReadonlyArray<string>) =>
    Effect.flatMap(BackupCipher, (cipher) => cipher.seal).pipe(withAge({ recipients, identityFile: "" }))

  it.live("finds every change of what it encrypted, also the end that is missing", () =>
    Effect.gen(function* () {
      const pair = yield* makePair(age.generateHybridIdentity)
      const { decrypt, encrypt } = yield* seal([pair.recipient])
      const plain = Buffer.alloc(200_000, "some text ")
      const sound = Buffer.concat(yield* Stream.runCollect(encrypt(Stream.make(plain))))
      const opened = Buffer.concat(yield* Stream.runCollect(decrypt(Stream.make(sound))))
      assert.isTrue(opened.equals(plain))
      const refused = (bytes: Uint8Array) => Effect.flip(Stream.runDrain(decrypt(Stream.make(bytes))))
      const flipped = Buffer.from(sound)
      flipped[flipped.length >> 1]! ^= 1
      assert.strictEqual((yield* refused(flipped))._tag, "ArchiveRefused")
      for (const length of [sound.length - 1, sound.length - 65_552, 100_000, 5, 0]) {
        assert.strictEqual((yield* refused(sound.subarray(0, length)))._tag, "ArchiveRefused", `${length} bytes`)
      }
    })
  )

  it.live("never ends well when what it encrypts has broken off", () =>
    Effect.gen(function* () {
      const pair = yield* makePair(age.generateX25519Identity)
      const { decrypt, encrypt } = yield* seal([pair.recipient])
      const broken = Stream.concat(Stream.make(new Uint8Array(100_000)), Stream.fail("pg_dump failed"))
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(encrypt(broken))), "pg_dump failed")
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(decrypt(broken))), "pg_dump failed")
    })
  )

  it.live("says which key is wrong, and keeps the secret ones to itself", () =>
    Effect.gen(function* () {
      const pair = yield* makePair(age.generateX25519Identity)
      const problem = (options: AgeCipher.AgeOptions) =>
        Effect.map(Effect.flip(Layer.build(AgeCipher.layer(options))), ({ message }) => message)
      const typo = pair.recipient.replace(/.$/, (last) => (last === "q" ? "p" : "q"))
      assert.include(
        yield* problem({ recipients: [pair.recipient, typo], identityFile: "" }),
        `${typo} is no public key`
      )
      const swapped = yield* problem({ recipients: [pair.identity], identityFile: "" })
      assert.include(swapped, "is a secret key")
      assert.notInclude(swapped, pair.identity)
      assert.include(yield* problem({ recipients: [], identityFile: "/nowhere/key.txt" }), "cannot be read")
      const publicOnly = yield* identityFile({ identity: pair.recipient, recipient: pair.recipient })
      assert.include(yield* problem({ recipients: [], identityFile: publicOnly }), "no secret key of age")
    }).pipe(Effect.scoped)
  )
})
