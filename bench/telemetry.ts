/**
 * What tracing costs a claim: claims per second of one process, with spans and metrics for a collector on this machine
 * and with none, in short turns one after the other: what a disk does meanwhile differs more than the two do.
 *
 *     node bench/telemetry.ts                              20 turns of each, 1 s a turn, 10 claimers
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Option, Redacted, References } from "effect"
import { Db } from "../src/adapters/postgres/Db.ts"
import * as PostgresJobStore from "../src/adapters/postgres/JobStore.ts"
import { migrate } from "../src/adapters/postgres/Migrator.ts"
import * as PostgresWorkerRegistry from "../src/adapters/postgres/WorkerRegistry.ts"
import * as OpenTelemetry from "../src/adapters/telemetry/OpenTelemetry.ts"
import { JobStore } from "../src/domain/ports/JobStore.ts"
import { WorkerRegistry } from "../src/domain/ports/WorkerRegistry.ts"
import { bench, option, Place, print } from "./support/backup.ts"

if (process.argv.includes("--help")) {
  console.log("node bench/telemetry.ts [--turns 20] [--seconds 1] [--claimers 10]")
  process.exit(0)
}

const turns = option("turns", 20)
const seconds = option("seconds", 1)
const claimers = option("claimers", 10)

const fill = `
  with videos as (
    insert into video (slug, title, source_file_name, source_extension, source_bytes, source_sha256)
    select gen_random_uuid()::text, 'Film', 'film.mp4', '.mp4', 1000, repeat('0', 64) from generate_series(1, 5000)
    returning id
  ), jobs as (
    insert into job (video_id) select id from videos returning id
  )
  insert into task (job_id, kind) select id, 'whole' from jobs`

const collector = fork(new URL("support/deafCollector.ts", import.meta.url))
const [port] = await once(collector, "message")

// The exporter of spans reads the environment itself.
const endpoint = `http://127.0.0.1:${port}`
process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint

const on = OpenTelemetry.layer(
  { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint },
  { traces: true, metrics: true, logs: false },
  { serviceName: "bench", serviceVersion: "0", attributes: {} }
)
const off = Layer.succeed(References.TracerEnabled)(false)

const claimsPerSecond = Effect.gen(function* () {
  const jobs = yield* JobStore
  const registry = yield* WorkerRegistry
  const { id: worker } = yield* registry.register({
    name: Option.none(),
    type: "remote",
    capabilities: null,
    metadata: null
  })
  const claim = jobs
    .claim({ worker, leaseSeconds: 600, job: Option.none(), gpuWaitSeconds: 120 })
    .pipe(Effect.withSpan("POST /api/worker/claim", { kind: "server", root: true }))
  const began = performance.now()
  let done = 0
  const claimer = Effect.gen(function* () {
    while (performance.now() < began + seconds * 1000 && Option.isSome(yield* claim)) done += 1
  })
  yield* Effect.all(
    Array.from({ length: claimers }, () => claimer),
    { concurrency: "unbounded" }
  )
  return (done * 1000) / (performance.now() - began)
})

const median = (numbers: ReadonlyArray<number>) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? NaN

const program = Effect.gen(function* () {
  const { environment } = yield* Place
  const url = Redacted.make(
    `postgres://${environment["PGUSER"]}:${encodeURIComponent(environment["PGPASSWORD"]!)}@${environment["PGHOST"]}:${environment["PGPORT"]}/${environment["PGDATABASE"]}`
  )
  yield* migrate()
  const db = yield* Db
  const stores = Layer.mergeAll(PostgresJobStore.layer, PostgresWorkerRegistry.layer).pipe(
    Layer.provide(Db.layer({ url, applicationName: "bench", max: claimers }))
  )
  const turn = Effect.fnUntraced(function* (telemetry: Layer.Layer<never>) {
    yield* db.query((sql) => sql.unsafe(fill))
    yield* db.query((sql) => sql.unsafe("vacuum analyze task"))
    return yield* claimsPerSecond.pipe(Effect.provide(Layer.provideMerge(stores, telemetry)))
  })
  const rates = { off: [] as Array<number>, on: [] as Array<number> }
  for (let index = 0; index <= turns; index++) {
    const first = index % 2 === 0 ? "off" : "on"
    for (const kind of [first, first === "off" ? "on" : "off"] as const) {
      const rate = yield* turn(kind === "on" ? on : off)
      // The first turn of each warms up.
      if (index > 0) rates[kind].push(rate)
    }
  }
  print([
    ["", "claims a second, median", "least", "most"],
    ...(["off", "on"] as const).map((kind) => [
      kind,
      median(rates[kind]).toFixed(0),
      Math.min(...rates[kind]).toFixed(0),
      Math.max(...rates[kind]).toFixed(0)
    ])
  ])
  const ratio = median(rates.on.map((rate, index) => rate / rates.off[index]!))
  console.log(`on / off, median of the pairs: ${ratio.toFixed(2)} (wanted: 0.90 or more)`)
}).pipe(Effect.scoped, Effect.provide(bench), Effect.ensuring(Effect.sync(() => collector.kill())))

NodeRuntime.runMain(program)
