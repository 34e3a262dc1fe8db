/**
 * What tracing costs a claim: claims per second of two Worker APIs over one database, one with spans and metrics for a
 * collector on this machine and one without, in short turns one after the other: what a disk does meanwhile differs more
 * than the two do. Every job has the trace of an upload, which its claim continues.
 *
 *     node bench/telemetry.ts                              20 turns of each, 1 s a turn, 10 workers
 */
import { fork } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { Db } from "../src/adapters/postgres/Db.ts"
import { measure, post, type Rate, register } from "./support/client.ts"
import { median, print } from "./support/figures.ts"
import { options } from "./support/options.ts"
import { bench, Place } from "./support/place.ts"
import { startOurs } from "./support/programs.ts"
import { bundleApi } from "./support/replicas.ts"

const { seconds, turns, workers } = options({ turns: 20, seconds: 1, workers: 10 })
const secret = randomBytes(24).toString("hex")

/** More than can be claimed in a turn. */
const queued = Math.ceil(5000 * seconds)

const fill = `
  with videos as (
    insert into video (slug, title, source_file_name, source_extension, source_bytes, source_sha256)
    select gen_random_uuid()::text, 'Film', 'film.mp4', '.mp4', 1000, repeat('0', 64)
      from generate_series((select count(*) from task where state = 'queued') + 1, ${queued})
    returning id
  ), jobs as (
    insert into job (video_id, traceparent)
    select id, '00-' || md5(id::text) || '-' || left(md5(id::text), 16) || '-01' from videos
    returning id
  )
  insert into task (job_id, kind) select id, 'whole' from jobs`

const program = Effect.gen(function* () {
  const { environment, folder } = yield* Place
  const { PGDATABASE, PGHOST, PGPASSWORD, PGPORT, PGUSER } = environment
  const storage = join(folder, "storage")
  const servers = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      await mkdir(storage)
      const api = await bundleApi(folder)
      const env = {
        VLOG_DATABASE_URL: `postgres://${PGUSER}:${encodeURIComponent(PGPASSWORD!)}@${PGHOST}:${PGPORT}/${PGDATABASE}`,
        VLOG_WORKER_ADMIN_SECRET: secret,
        VLOG_STORAGE_PATH: storage,
        VLOG_RATE_LIMIT_ENABLED: "false"
      }
      const collector = fork(new URL("support/deafCollector.ts", import.meta.url))
      const [port] = await once(collector, "message")
      return {
        off: await startOurs(api, env),
        on: await startOurs(api, { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` }),
        collector
      }
    }),
    ({ collector, off, on }) =>
      Effect.promise(async () => {
        await Promise.all([off.stop(), on.stop()])
        collector.kill()
      })
  )
  const keys = yield* Effect.promise(() =>
    Promise.all(Array.from({ length: workers }, (_, index) => register(servers.off.address, secret, `bench-${index}`)))
  )
  const claims = keys.map((key) => post("/api/worker/claim", `x-worker-api-key: ${key}\r\n`, {}))
  const db = yield* Db
  const turn = Effect.fnUntraced(function* (kind: "off" | "on") {
    yield* db.query((sql) => sql.unsafe(fill))
    yield* db.query((sql) => sql.unsafe("vacuum analyze task"))
    return yield* Effect.promise(() => measure(servers[kind], claims, seconds))
  })
  const rates = { off: [] as Array<Rate>, on: [] as Array<Rate> }
  for (let index = 0; index <= turns; index++) {
    const first = index % 2 === 0 ? "off" : "on"
    for (const kind of [first, first === "off" ? "on" : "off"] as const) {
      const rate = yield* turn(kind)
      // The first turn of each warms up.
      if (index > 0) rates[kind].push(rate)
    }
  }
  const of = (kind: "off" | "on", what: keyof Rate) => rates[kind].map((rate) => rate[what])
  print([
    ["", "claims a second, median", "least", "most", "CPU us a claim"],
    ...(["off", "on"] as const).map((kind) => [
      kind,
      median(of(kind, "perSecond")).toFixed(0),
      Math.min(...of(kind, "perSecond")).toFixed(0),
      Math.max(...of(kind, "perSecond")).toFixed(0),
      median(of(kind, "cpu")).toFixed(0)
    ])
  ])
  const ratio = median(rates.on.map(({ perSecond }, index) => perSecond / rates.off[index]!.perSecond))
  console.log(`on / off, median of the pairs: ${ratio.toFixed(2)} (wanted: 0.90 or more)`)
}).pipe(Effect.scoped)

NodeRuntime.runMain(program.pipe(Effect.provide(bench)))
