/**
 * Which damage each level of verification finds. The baseline is `pg_restore --list`, by which most backups are
 * "verified" (level 1 without our comparison of its tables). The digest finds everything that was not made to fit it;
 * what the levels above it find is counted without it. A restore reads the whole archive as level 3 does: only what that
 * did not find is restored.
 *
 *     node bench/backup-corruption.ts                              a tenth of the damages, levels 1 to 3
 *     node bench/backup-corruption.ts --damages 300 --restore 1    all of them, and levels 4 and 5
 */
import { createHash } from "node:crypto"
import { mkdir, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Stream } from "effect"
import { Db } from "../src/adapters/postgres/Db.ts"
import { Subprocess } from "../src/adapters/process/Subprocess.ts"
import type { Wrapping } from "../src/domain/backups/BackupName.ts"
import { differences } from "../src/domain/backups/Fingerprint.ts"
import type { Manifest } from "../src/domain/backups/Manifest.ts"
import { BackupDatabase } from "../src/domain/ports/BackupDatabase.ts"
import { BackupStore } from "../src/domain/ports/BackupStore.ts"
import { BackupTool } from "../src/domain/ports/BackupTool.ts"
import { createBackup } from "../src/domain/programs/CreateBackup.ts"
import { verifyBackups } from "../src/domain/programs/VerifyBackups.ts"
import { print } from "./support/figures.ts"
import { options } from "./support/options.ts"
import { forgetfulBench, fill, Place } from "./support/place.ts"

const { damages: flips, megabytes, restore } = options({ damages: 30, restore: 0, megabytes: 4 })
const others = Math.ceil(flips * 0.4)
const withRestore = restore > 0

const kinds: ReadonlyArray<readonly [title: string, wrapping: Wrapping, compression: number]> = [
  ["gzip 6 in the archive", "none", 6],
  ["not compressed", "none", 0],
  ["zstd 1 around it", "zstd", 1]
]

/** The same damage in every run. */
const random = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 2 ** 32
}

/** Each file is made when its turn comes: all at once they are gigabytes. */
type Damage = readonly [kind: string, files: ReadonlyArray<() => Buffer>]

/** What disks and networks do to a file. */
const damages = (sound: Buffer): ReadonlyArray<Damage> => {
  const next = random(7)
  const at = () => Math.floor(next() * sound.length)
  const many = (count: number, make: () => () => Buffer) => Array.from({ length: count }, make)
  const flip = () => {
    const [place, mask] = [at(), 1 << Math.floor(next() * 8)]
    return () => {
      const bytes = Buffer.from(sound)
      bytes[place]! ^= mask
      return bytes
    }
  }
  const cut = () => {
    const length = at()
    return () => sound.subarray(0, length)
  }
  const zero = () => {
    // One that is all zeros already would not be damaged.
    let start = 0
    do start = Math.floor(at() / 4096) * 4096
    while (sound.subarray(start, start + 4096).every((byte) => byte === 0))
    return () => {
      const bytes = Buffer.from(sound)
      bytes.subarray(start, start + 4096).fill(0)
      return bytes
    }
  }
  return [
    ["flipped bit", many(flips, flip)],
    ["truncation", many(others, cut)],
    ["zeroed block of 4 kB", many(others, zero)]
  ]
}

const make = Effect.fnUntraced(function* (wrapping: Wrapping, compression: number) {
  const databases = yield* BackupDatabase
  const store = yield* BackupStore
  const manifest = yield* Effect.scoped(
    Effect.flatMap(databases.session, (session) => createBackup(session, { wrapping, compression, level: 2 }))
  )
  return { manifest, bytes: Buffer.concat(yield* Stream.runCollect(store.read(manifest.name))) }
})

/** What pg_dump leaves where only half of the archive fits. */
const leftoverOfFullDisk = Effect.fnUntraced(function* (bytes: number, compression: number) {
  const subprocess = yield* Subprocess
  const { environment, folder } = yield* Place
  const disk = join(folder, "small")
  yield* Effect.promise(() => mkdir(disk, { recursive: true }))
  yield* Effect.acquireRelease(
    subprocess.run("mount", ["-t", "tmpfs", "-o", `size=${Math.ceil(bytes / 2)}`, "tmpfs", disk]),
    () => Effect.ignore(subprocess.run("umount", [disk]))
  )
  const file = join(disk, "left.dump")
  const dumped = subprocess.run("pg_dump", ["--format=custom", `--compress=${compression}`, `--file=${file}`], {
    env: environment
  })
  yield* Effect.flip(dumped)
  return yield* Effect.promise(() => readFile(file))
}, Effect.scoped)

/** How many of the files each level finds; the digest is compared with that of the manifest. */
const found = Effect.fnUntraced(function* (files: Damage[1], wrapping: Wrapping, manifest: Manifest) {
  const databases = yield* BackupDatabase
  const tool = yield* BackupTool
  const refuses = <E, R>(effect: Effect.Effect<unknown, E, R>) =>
    Effect.map(Effect.result(effect), ({ _tag }) => _tag === "Failure")

  const restored = (bytes: Buffer) =>
    Effect.acquireUseRelease(
      Effect.succeed({ server: "scratch", name: `bench_${crypto.randomUUID()}` } as const).pipe(
        Effect.tap(databases.create)
      ),
      Effect.fnUntraced(function* (into) {
        const failed = yield* refuses(
          tool.restore(Stream.make(bytes), wrapping, { into, withRoles: false, tables: [] })
        )
        const wrong = failed || differences(manifest.fingerprint, yield* databases.fingerprint(into)).length > 0
        return [failed, wrong] as const
      }),
      (into) => Effect.orDie(databases.drop(into))
    )

  const levels = yield* Effect.forEach(
    files,
    Effect.fnUntraced(function* (file) {
      const bytes = file()
      const listed = yield* refuses(tool.contents(Stream.make(bytes), wrapping))
      const digest = createHash("sha256").update(bytes).digest("hex") !== manifest.sha256
      const read = yield* refuses(tool.readThrough(Stream.make(bytes), wrapping))
      const [failed, wrong] = read || !withRestore ? [read, read] : yield* restored(bytes)
      return [listed, digest, read, failed, wrong]
    }),
    { concurrency: 2 }
  )
  return (withRestore ? [0, 1, 2, 3, 4] : [0, 1, 2]).map((level) => levels.filter((one) => one[level]).length)
})

const experiment = Effect.fnUntraced(function* ([title, wrapping, compression]: (typeof kinds)[number]) {
  const databases = yield* BackupDatabase
  const db = yield* Db
  const store = yield* BackupStore
  const { folder } = yield* Place
  const { bytes, manifest } = yield* make(wrapping, compression)

  yield* Effect.promise(() => rm(join(folder, manifest.name)))
  const [gone] = yield* Effect.scoped(
    Effect.flatMap(databases.session, (session) => verifyBackups(session, { selection: manifest.name, upTo: 2 }))
  )
  yield* store.remove(manifest.name)
  console.log(`${title}, deleted file: verify says "${gone!.problem}"`)

  const rows: Array<ReadonlyArray<string | number>> = []
  const row = Effect.fnUntraced(function* ([kind, files]: Damage, claimed: Manifest = manifest) {
    rows.push([title, kind, files.length, ...(yield* found(files, wrapping, claimed))])
  })
  for (const damage of damages(bytes)) yield* row(damage)
  if (wrapping === "none" && process.getuid?.() === 0) {
    const leftover = yield* leftoverOfFullDisk(bytes.length, compression)
    yield* row(["leftover of a full disk", [() => leftover]])
  }
  yield* db.query((sql) => sql`update jobs set state = state || ' edited' where id = 1000`)
  const edited = yield* make(wrapping, compression)
  yield* store.remove(edited.manifest.name)
  yield* row(["row and manifest edited", [() => edited.bytes]], { ...manifest, sha256: edited.manifest.sha256 })
  return rows
})

const program = Effect.gen(function* () {
  yield* fill(megabytes)
  const levels = ["--list (baseline)", "2 digest", "3 read", ...(withRestore ? ["4 restore", "5 fingerprint"] : [])]
  const rows: Array<ReadonlyArray<string | number>> = []
  for (const kind of kinds) {
    const found = yield* experiment(kind)
    print([["archive", "damage", "damaged", ...levels], ...found])
    rows.push(...found)
  }
  const sum = (column: number) => rows.reduce((total, row) => total + Number(row[column]), 0)
  console.log(
    `pg_restore --list finds ${((100 * sum(3)) / sum(2)).toFixed(1)} % of it, the digest ${((100 * sum(4)) / sum(2)).toFixed(1)} %`
  )
})

NodeRuntime.runMain(program.pipe(Effect.provide(forgetfulBench)))
