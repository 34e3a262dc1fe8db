/**
 * What a backup costs, against pg_dump alone (the baseline) in the same run, how long a restore takes, and whether a
 * backup holds one moment while pgbench writes.
 *
 *     node bench/backup.ts                                       50 MB, 3 rounds, 3 runs beside pgbench
 *     node bench/backup.ts --megabytes 500 --rounds 1 --pgbench 0    the size that the project promises
 *     node bench/backup.ts --megabytes 1000 --rounds 1 --pgbench 0   a large one
 *     node bench/backup.ts --rounds 0 --pgbench 20                   only beside pgbench
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { Subprocess } from "../src/adapters/process/Subprocess.ts"
import { BackupDatabase } from "../src/domain/ports/BackupDatabase.ts"
import { BackupStore } from "../src/domain/ports/BackupStore.ts"
import { createBackup } from "../src/domain/programs/CreateBackup.ts"
import { restoreBackup } from "../src/domain/programs/RestoreBackup.ts"
import { timed } from "../src/domain/programs/timed.ts"
import { median, print } from "./support/figures.ts"
import { options } from "./support/options.ts"
import { bench, fill, Place } from "./support/place.ts"

const { megabytes, pgbench: pgbenchRuns, rounds } = options({ megabytes: 50, rounds: 3, pgbench: 3 })

const dumpAlone = Effect.gen(function* () {
  const subprocess = yield* Subprocess
  const { environment, folder } = yield* Place
  const run = subprocess.run("pg_dump", ["--format=custom", `--file=${folder}/alone.dump`], { env: environment })
  return (yield* timed(run))[1]
})

const ours = Effect.fnUntraced(function* (wrapping: "none" | "zstd", level: number) {
  const databases = yield* BackupDatabase
  const store = yield* BackupStore
  const manifest = yield* Effect.scoped(
    Effect.flatMap(databases.session, (session) =>
      createBackup(session, { wrapping, compression: wrapping === "zstd" ? 1 : 6, level })
    )
  )
  yield* store.remove(manifest.name)
  return manifest
})

const costs = Effect.gen(function* () {
  const bytes = yield* fill(megabytes)
  console.log(`database of ${Math.round(bytes / 1e6)} MB, median of ${rounds} rounds, one after the other in each`)
  const alone: Array<number> = []
  const made: Record<"none" | "zstd", Array<Effect.Success<ReturnType<typeof ours>>>> = { none: [], zstd: [] }
  for (let round = 0; round < rounds; round++) {
    alone.push(yield* dumpAlone)
    made.none.push(yield* ours("none", 6))
    made.zstd.push(yield* ours("zstd", 6))
  }
  const baseline = median(alone)
  const rows = (["none", "zstd"] as const).map((wrapping) => {
    const dump = median(made[wrapping].map(({ seconds }) => seconds.dump))
    const verification = median(made[wrapping].map(({ seconds }) => seconds.verification))
    return [
      wrapping === "none" ? "ours, gzip 6" : "ours, zstd 1",
      `${(made[wrapping][0]!.bytes / 1e6).toFixed(1)} MB`,
      dump.toFixed(2),
      `${(dump / baseline).toFixed(2)} x`,
      verification.toFixed(2),
      `${(verification / baseline).toFixed(2)} x`,
      `${(verification / dump).toFixed(2)} x`
    ]
  })
  print([
    ["", "size", "dump s", "of baseline", "verification s", "of baseline", "of its own dump"],
    ["pg_dump alone, gzip 6 (baseline)", "", baseline.toFixed(2), "1.00 x", "-", "-", "-"],
    ...rows
  ])
  const last = made.none.at(-1)!
  print([["level", "seconds"], ...last.checks.map(({ check, seconds }) => [check, seconds.toFixed(2)])])
  yield* restores(bytes)
})

/** As on the day that counts: into a new database, with everything compared. */
const restores = Effect.fnUntraced(function* (bytes: number) {
  const databases = yield* BackupDatabase
  const store = yield* BackupStore
  const { backup, rows, seconds } = yield* Effect.scoped(
    Effect.gen(function* () {
      const session = yield* databases.session
      yield* createBackup(session, { wrapping: "none", compression: 6, level: 2 })
      return yield* restoreBackup(session, {
        backup: "newest",
        into: "bench_restored",
        tables: [],
        withRoles: true,
        swap: false,
        disconnect: false,
        dryRun: false
      })
    })
  )
  yield* databases.drop({ server: "source", name: "bench_restored" })
  yield* store.remove(backup)
  console.log(
    `restored into a new database: ${rows} rows, all as in the source, in ${seconds.toFixed(1)} s, ` +
      `${Math.round(bytes / 1e6 / seconds)} MB of database a second`
  )
})

const besidePgbench = Effect.gen(function* () {
  const subprocess = yield* Subprocess
  const { environment } = yield* Place
  yield* subprocess.run("pgbench", ["--initialize", "--quiet", "--scale=2"], { env: environment })
  let equal = 0
  for (let run = 0; run < pgbenchRuns; run++) {
    const writer = yield* subprocess.start("pgbench", ["--no-vacuum", "--client=4", "--time=600"], {
      env: environment,
      stdout: "ignore"
    })
    const result = yield* Effect.result(ours("none", 5))
    if (result._tag === "Success" && result.success.level === 5) equal++
    else console.log(result)
    yield* writer.kill("SIGTERM")
    yield* writer.exitStatus
  }
  console.log(`beside pgbench: the restored rows were those of the snapshot in ${equal} of ${pgbenchRuns} runs`)
}).pipe(Effect.scoped)

// First beside pgbench: its tables are small, and the others are not dumped then.
const all = Effect.andThen(pgbenchRuns > 0 ? besidePgbench : Effect.void, rounds > 0 ? costs : Effect.void)
NodeRuntime.runMain(all.pipe(Effect.provide(bench)))
