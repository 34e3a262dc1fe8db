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
import { connect } from "node:net"
import { join } from "node:path"
import { bench, option, Place, print } from "./support/backup.ts"
import { cpuOf, type Running, startBare, startOurs } from "./support/programs.ts"
import { bundleApi } from "./support/replicas.ts"

if (process.argv.includes("--help")) {
  console.log("node bench/requests.ts [--turns 3] [--seconds 3] [--connections 16]")
  process.exit(0)
}

const turns = option("turns", 3)
const seconds = option("seconds", 3)
const connections = option("connections", 16)
const secret = randomBytes(24).toString("hex")

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: bench\r\n\r\n`

const post = (path: string, headers: string, body: unknown) => {
  const text = JSON.stringify(body)
  return (
    `POST ${path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n${headers}` +
    `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`
  )
}

/** One request after the other on one connection: a client that costs little, so that the servers have the machine. */
const ask = (port: number, request: string, until: number) =>
  new Promise<number>((resolve, reject) => {
    let done = 0
    let text = ""
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => socket.write(request))
    socket.setEncoding("latin1")
    socket.on("error", reject)
    socket.on("data", (more: string) => {
      text += more
      const head = text.indexOf("\r\n\r\n")
      if (head === -1) return
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)
      if (text.length < head + 4 + length) return
      if (!/^HTTP\/1\.1 (?:200|404) /.test(text)) return reject(new Error(text.slice(0, 500)))
      text = ""
      done += 1
      if (performance.now() < until) return void socket.write(request)
      socket.end()
      resolve(done)
    })
  })

interface Rate {
  readonly perSecond: number
  /** Microseconds of the server's processor time a request. */
  readonly cpu: number
}

/** `requests`: one for each connection. */
const measure = async (server: Running, requests: ReadonlyArray<string>): Promise<Rate> => {
  const port = Number(new URL(server.address).port)
  const began = performance.now()
  const before = await cpuOf(server.pid)
  const counts = await Promise.all(requests.map((request) => ask(port, request, began + seconds * 1000)))
  const done = counts.reduce((sum, count) => sum + count, 0)
  return {
    perSecond: (done * 1000) / (performance.now() - began),
    cpu: (((await cpuOf(server.pid)) - before) * 1e6) / done
  }
}

const median = (numbers: ReadonlyArray<number>) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? NaN

const register = async (address: string, name: string) => {
  const answer = await fetch(`${address}/api/worker/register`, {
    method: "POST",
    headers: { "x-admin-secret": secret, "content-type": "application/json" },
    body: JSON.stringify({ worker_type: "remote", worker_name: name })
  })
  return ((await answer.json()) as { readonly api_key: string }).api_key
}

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
  const keys = yield* Effect.promise(() => Promise.all(all.map((name) => register(servers.ours.address, name))))
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
        const rate = yield* Effect.promise(() => measure(servers[kind], each))
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
