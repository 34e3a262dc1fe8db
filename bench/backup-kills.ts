/**
 * `backup create`, encrypted and with copies, killed with -9 in each of its phases again and again. After each kill: no
 * file under a final name that is not what its manifest says, and the backups from before as they were. After each
 * phase: the next run succeeds and cleans up, and all that is there passes verification, in both places.
 *
 *     node bench/backup-kills.ts                5 kills a phase
 *     node bench/backup-kills.ts --kills 20
 *
 * Ends with an error when a promise is broken.
 */
import { strict as assert } from "node:assert"
import { createHash } from "node:crypto"
import { existsSync, watch } from "node:fs"
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as age from "age-encryption"
import { Effect, Layer } from "effect"
import { Db } from "../src/adapters/postgres/Db.ts"
import { type Program, runToEnd, start } from "../test/support/programs.ts"
import { s3Credentials, TestS3 } from "../test/support/s3.ts"
import { print } from "./support/figures.ts"
import { options } from "./support/options.ts"
import { fill, forgetfulBench, Place } from "./support/place.ts"

const { kills, megabytes } = options({ kills: 5, megabytes: 20 })
const kept = 2

const isBackup = (file: string) => /^vlog-\d.*\.age$/.test(file)

/** Digests of the backups in a folder, each compared with its manifest. */
const backupsIn = async (path: string) => {
  const digests = new Map<string, string>()
  for (const file of (await readdir(path)).filter(isBackup)) {
    const { sha256 } = JSON.parse(await readFile(join(path, `${file}.json`), "utf8"))
    const digest = createHash("sha256")
      .update(await readFile(join(path, file)))
      .digest("hex")
    assert.equal(digest, sha256, `${file} is not what its manifest says`)
    digests.set(file, digest)
  }
  return digests
}

/** Resolves in the moment in which something happens. */
type Moment = (child: Program) => Promise<unknown>

const program = Effect.gen(function* () {
  yield* fill(megabytes)
  const db = yield* Db
  const s3 = yield* TestS3
  const { environment, folder } = yield* Place
  const path = join(folder, "backups")
  const identityFile = join(folder, "key.txt")
  const identity = yield* Effect.promise(() => age.generateX25519Identity())
  yield* Effect.promise(async () => {
    await mkdir(path)
    await writeFile(identityFile, identity)
  })
  const settings = {
    ...environment,
    ...s3Credentials,
    BACKUP_PATH: path,
    BACKUP_VERIFY_LEVEL: "4",
    BACKUP_RETENTION_DAYS: "0",
    BACKUP_KEEP_AT_LEAST: `${kept}`,
    BACKUP_AGE_RECIPIENTS: yield* Effect.promise(() => age.identityToRecipient(identity)),
    BACKUP_AGE_IDENTITY_FILE: identityFile,
    BACKUP_S3_BUCKET: s3.bucket,
    BACKUP_S3_ENDPOINT: s3.endpoint
  }

  const onDisk =
    (happened: (file: string) => boolean): Moment =>
    () =>
      new Promise<void>((done) => {
        const watcher = watch(path, (_, file) => {
          if (file === null || !happened(file)) return
          watcher.close()
          done()
        })
      })
  /** One after the other. */
  const requested =
    (...patterns: ReadonlyArray<RegExp>): Moment =>
    () =>
      new Promise<void>((done) => {
        let next = 0
        s3.fault = (request) => {
          if (patterns[next]?.test(request) === true && ++next === patterns.length) done()
          return undefined
        }
      })

  const phases: Readonly<Record<string, Moment>> = {
    dump: onDisk((file) => file.endsWith(".partial")),
    "restore for the verification": (child) => child.said('"check":"contents"'),
    publication: onDisk((file) => /^vlog-\d.*\.json$/.test(file)),
    retention: onDisk((file) => isBackup(file) && !existsSync(join(path, file))),
    "copy, first manifest": requested(/^PUT .*\.json\?/),
    copy: requested(/^PUT .*\.age\?/),
    "copy, read back": requested(/^GET .*\.age\?/),
    "copy, last manifest": requested(/^GET .*\.age\?/, /^PUT .*\.json\?/),
    "retention of copies": requested(/^DELETE /)
  }

  /** What a killed run held is free when the server has noticed. */
  const complete = async (...args: ReadonlyArray<string>) => {
    for (let tries = 0; ; tries++) {
      const { code, output } = await runToEnd("backup", args, settings)
      if (code === 0) return
      assert.ok(code === 75 && tries < 50, `${args.join(" ")} ended with ${code}:\n${output}`)
    }
  }

  const killIn = async (moment: Moment) => {
    const before = await backupsIn(path)
    const child = start("backup", ["create"], settings)
    await Promise.race([
      moment(child),
      child.ended.then(() => assert.fail(`it ended before it was killed:\n${child.output()}`))
    ])
    child.kill("SIGKILL")
    const { signal } = await child.ended
    s3.fault = () => undefined
    assert.equal(signal, "SIGKILL")
    const after = await backupsIn(path)
    assert.ok(after.size >= kept, `only ${after.size} backups are left`)
    for (const [file, digest] of after) assert.equal(before.get(file) ?? digest, digest, `${file} has changed`)
    return [...after.keys()].some((file) => !before.has(file))
  }

  const results: Array<ReadonlyArray<string | number>> = []
  for (let first = 0; first < kept + 1; first++) yield* Effect.promise(() => complete("create"))
  for (const [phase, moment] of Object.entries(phases)) {
    let published = 0
    for (let kill = 0; kill < kills; kill++) if (yield* Effect.promise(() => killIn(moment))) published++
    yield* Effect.promise(async () => {
      await complete("create")
      const files = (await readdir(path)).filter((file) => !file.includes("status"))
      const good = [...(await backupsIn(path)).keys()]
      assert.deepEqual(files.toSorted(), good.flatMap((file) => [file, `${file}.json`]).toSorted(), "debris was left")
      await complete("verify", "--all", "--level", "3")
      await complete("verify", "--all", "--level", "3", "--from", "copy")
    })
    const { count } = yield* db.query((sql) => sql`select from pg_database where datname like 'vlog_verify_%'`)
    assert.equal(count, 0, "a scratch database was left")
    results.push([phase, kills, published, "good"])
  }
  print([["killed in", "kills", "a new backup was there", "what was there, and the next run"], ...results])
})

NodeRuntime.runMain(program.pipe(Effect.provide(Layer.merge(forgetfulBench, TestS3.layer))))
