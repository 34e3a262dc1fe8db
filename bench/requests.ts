/**
 * Small requests a second: our Worker API beside a bare node:http server and fastify, which answer the same text and do
 * nothing for it. Each server is a program of its own; all are asked in turns in one run, over connections that are
 * kept.
 *
 *     node bench/requests.ts                                   3 turns of 3 s, 16 connections
 *     node bench/requests.ts --turns 5 --seconds 5 --connections 50
 *
 * `heartbeat`: of a worker a connection, with its key, which is looked up, and its state, which is written, in
 * PostgreSQL. `nothing`: a path that there is not: all that our answers cost before anything is done for them.
 * `health`: asks database and disk.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { randomBytes } from "node:crypto"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { get, measure, post, type Rate, register } from "./support/client.ts"
import { median, print } from "./support/figures.ts"
import { options } from "./support/options.ts"
import { bench, Place } from "./support/place.ts"
import { startBare, startOurs } from "./support/programs.ts"
import { bundleApi } from "./support/replicas.ts"

const { connections, seconds, turns } = options({ turns: 3, seconds: 3, connections: 16 })
const secret = randomBytes(24).toString("hex")

const program = Effect.gen(function* () {
  const { environment, folder } = yield* Place
  const { PGDATABASE, PGHOST, PGPASSWORD, PGPORT, PGUSER } = environment
  const storage = join(folder, "storage")
  const servers = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      await mkdir(storage)
      const api = await bundleApi(folder)
      return {
        ours: await startOurs(api, {
          VLOG_DATABASE_URL: `postgres://${PGUSER}:${encodeURIComponent(PGPASSWORD!)}@${PGHOST}:${PGPORT}/${PGDATABASE}`,
          VLOG_WORKER_ADMIN_SECRET: secret,
          VLOG_STORAGE_PATH: storage,
          VLOG_RATE_LIMIT_ENABLED: "false"
        }),
        node: await startBare("node", storage),
        fastify: await startBare("fastify", storage)
      }
    }),
    (all) => Effect.promise(() => Promise.all(Object.values(all).map((server) => server.stop())))
  )
  const all = Array.from({ length: connections }, (_, index) => `bench-${index}`)
  const keys = yield* Effect.promise(() => Promise.all(all.map((name) => register(servers.ours.address, secret, name))))
  const requests = {
    heartbeat: keys.map((key) => post("/api/worker/heartbeat", `x-worker-api-key: ${key}\r\n`, { status: "idle" })),
    nothing: all.map(() => get("/api/nothing")),
    health: all.map(() => get("/api/health"))
  }
  const table: Array<ReadonlyArray<string>> = []
  for (const [name, each] of Object.entries(requests)) {
    const rates = { ours: [] as Array<Rate>, node: [] as Array<Rate>, fastify: [] as Array<Rate> }
    for (let turn = 0; turn <= turns; turn++) {
      for (const kind of ["node", "fastify", "ours"] as const) {
        const rate = yield* Effect.promise(() => measure(servers[kind], each, seconds))
        // The first turn of each warms up.
        if (turn > 0) rates[kind].push(rate)
      }
    }
    const of = (kind: keyof typeof rates, what: keyof Rate) => median(rates[kind].map((rate) => rate[what]))
    const ratio = (kind: keyof typeof rates, what: keyof Rate) => (of("ours", what) / of(kind, what)).toFixed(2)
    table.push([
      name,
      ...(["ours", "node", "fastify"] as const).map((kind) => of(kind, "perSecond").toFixed(0)),
      ratio("node", "perSecond"),
      ratio("fastify", "perSecond"),
      of("ours", "cpu").toFixed(0),
      ratio("node", "cpu"),
      ratio("fastify", "cpu")
    ])
  }
  print([
    ["request", "ours/s", "node/s", "fastify/s", "of node", "of fastify", "ours CPU us", "of node", "of fastify"],
    ...table
  ])
}).pipe(Effect.scoped)

NodeRuntime.runMain(program.pipe(Effect.provide(bench)))
