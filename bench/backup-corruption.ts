/**
 * Which damage each level of verification finds. The baseline is `pg_restore --list`, by which most backups are
 * "verified" (level 1 without our comparison of its tables).
 *
 *     node bench/backup-corruption.ts                      a tenth of the damages, levels 1 to 3
 *     node bench/backup-corruption.ts --damages 300 --restore 1    all of them, and levels 4 and 5
 */
import { createHash } from "node:crypto"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Stream } from "effect"
import type { Wrapping } from "../src/domain/backups/BackupName.ts"
import { differences } from "../src/domain/backups/Fingerprint.ts"
import { BackupDatabase } from "../src/domain/ports/BackupDatabase.ts"
import { BackupStore } from "../src/domain/ports/BackupStore.ts"
import { BackupTool } from "../src/domain/ports/BackupTool.ts"
import { createBackup } from "../src/domain/programs/CreateBackup.ts"
import { bench, fill, option, print } from "./support/backup.ts"

const flips = option("damages", 30)
const others = Math.ceil(flips * 0.4)
const withRestore = option("restore", 0) > 0

/** The same damage in every run. */
const random = (seed: number) => () => {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
  return seed / 2 ** 32
}

type Damage = (bytes: Buffer) => Buffer

const damages = (size: number): ReadonlyArray<readonly [string, ReadonlyArray<Damage>]> => {
  const next = random(7)
  const at = () => Math.floor(next() * size)
  const many = (count: number, make: () => Damage) => Array.from({ length: count }, make)
  return [
    [
      "flipped bit",
      many(flips, () => {
        const [place, bit] = [at(), Math.floor(next() * 8)]
        return (bytes) => {
          bytes[place]! ^= 1 << bit
          return bytes
        }
      })
    ],
    [
      "truncation",
      many(others, () => {
        const length = at()
        return (bytes) => bytes.subarray(0, length)
      })
    ],
    [
      "zeroed block of 4 kB",
      many(others, () => {
        const start = Math.floor(at() / 4096) * 4096
        return (bytes) => bytes.fill(0, start, start + 4096)
      })
    ]
  ]
}

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex")

const experiment = Effect.fnUntraced(function* (name: string, wrapping: Wrapping, compression: number) {
  const databases = yield* BackupDatabase
  const store = yield* BackupStore
  const tool = yield* BackupTool
  const manifest = yield* Effect.scoped(
    Effect.flatMap(databases.session, (session) => createBackup(session, { wrapping, compression, level: 2 }))
  )
  const sound = Buffer.concat(yield* Stream.runCollect(store.read(manifest.name)))
  yield* store.remove(manifest.name)

  const refuses = <E, R>(effect: Effect.Effect<unknown, E, R>) =>
    Effect.map(Effect.result(effect), (r) => r._tag === "Failure")

  const restored = (bytes: Buffer) =>
    Effect.acquireUseRelease(
      Effect.succeed({ server: "scratch", name: "bench_scratch" } as const).pipe(Effect.tap(databases.create)),
      Effect.fnUntraced(function* (into) {
        const failed = yield* refuses(
          tool.restore(Stream.make(bytes), wrapping, { into, withRoles: false, tables: [] })
        )
        const wrong = failed || differences(manifest.fingerprint, yield* databases.fingerprint(into)).length > 0
        return { failed, wrong }
      }),
      (into) => Effect.orDie(databases.drop(into))
    )

  const rows: Array<ReadonlyArray<string | number>> = []
  for (const [kind, list] of damages(sound.length)) {
    let [damaged, listed, digest, read, restore, fingerprint] = [0, 0, 0, 0, 0, 0]
    for (const damage of list) {
      const bytes = damage(Buffer.from(sound))
      if (bytes.equals(sound)) continue
      damaged++
      if (yield* refuses(tool.contents(Stream.make(bytes), wrapping))) listed++
      if (sha256(bytes) !== manifest.sha256) digest++
      if (yield* refuses(tool.readThrough(Stream.make(bytes), wrapping))) read++
      if (!withRestore) continue
      const { failed, wrong } = yield* restored(bytes)
      if (failed) restore++
      if (wrong) fingerprint++
    }
    rows.push([name, kind, damaged, listed, digest, read, ...(withRestore ? [restore, fingerprint] : [])])
  }
  return rows
})

const program = Effect.gen(function* () {
  yield* fill(option("megabytes", 4))
  const rows = [
    ...(yield* experiment("gzip 6 in the archive", "none", 6)),
    ...(yield* experiment("not compressed", "none", 0)),
    ...(yield* experiment("zstd 1 around it", "zstd", 1))
  ]
  print([
    [
      "archive",
      "damage",
      "damaged",
      "--list (baseline)",
      "2 digest",
      "3 read",
      ...(withRestore ? ["4 restore", "5 fingerprint"] : [])
    ],
    ...rows
  ])
  const sum = (column: number) => rows.reduce((total, row) => total + Number(row[column]), 0)
  console.log(
    `pg_restore --list finds ${((100 * sum(3)) / sum(2)).toFixed(1)} % of it, the digest ${((100 * sum(4)) / sum(2)).toFixed(1)} %`
  )
})

NodeRuntime.runMain(program.pipe(Effect.provide(bench)))
