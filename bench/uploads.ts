/**
 * What an upload costs the Worker API, beside a bare node:http server that writes each body to a file and syncs it (no
 * digest, no name, no database), and one that also takes the SHA-256: processor seconds a gigabyte and peak memory, each
 * in a fresh process that has answered some hundred small requests before, one after the other in one run.
 *
 *     node bench/uploads.ts                            64 MB and 4 GB
 *     node bench/uploads.ts --megabytes 64 --ways node,node-sha256,post,tus
 *
 * `post`: POST /api/videos. `tus`: a resumable upload in one piece. `resumed`: the same in two, so that its digest takes
 * reading it again. `segments`: 4 MB each, as a worker brings them, beside the bare servers with bodies of that size;
 * needs ffmpeg, which makes the one they are all of.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { mkdir, rm } from "node:fs/promises"
import { Agent, request } from "node:http"
import { join } from "node:path"
import { makeFilm } from "../test/adapters/worker-api/support/media.ts"
import { print } from "./support/figures.ts"
import { options } from "./support/options.ts"
import { bench, Place } from "./support/place.ts"
import { cpuOf, peakOf, type Running, startBare, startOurs } from "./support/programs.ts"
import { bundleApi } from "./support/replicas.ts"

const { megabytes, ways } = options({
  megabytes: [64, 4096],
  ways: ["node", "node-sha256", "post", "tus", "resumed", "node-segments", "node-sha256-segments", "segments"]
})
const sizes = megabytes.map((size) => size * 1024 * 1024)
const secret = randomBytes(24).toString("hex")
const segmentBytes = 4 * 1024 * 1024
/** So many requests, and so small, until the server's code is compiled for what comes. */
const warmUp = { requests: 300, bytes: 64 * 1024 }
const block = randomBytes(1024 * 1024)
const agent = new Agent({ keepAlive: true, maxSockets: 4 })

interface Sent {
  readonly status: number
  readonly headers: NodeJS.Dict<string | Array<string>>
  readonly json: any
}

/** A body of so many bytes, made as it is sent. */
const send = (
  address: string,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  bytes: number | Buffer = 0
) =>
  new Promise<Sent>((resolve, reject) => {
    const { hostname, port } = new URL(address)
    const size = typeof bytes === "number" ? bytes : bytes.length
    const outgoing = request({
      agent,
      hostname,
      port,
      path,
      method,
      headers: { ...headers, "content-length": String(size) }
    })
    outgoing.on("error", reject)
    outgoing.on("response", (incoming) => {
      const chunks: Array<Buffer> = []
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk))
      incoming.on("end", () => {
        const text = Buffer.concat(chunks).toString()
        const status = incoming.statusCode ?? 0
        if (status >= 300) return reject(new Error(`${method} ${path}: ${status} ${text}`))
        resolve({ status, headers: incoming.headers, json: text === "" ? null : JSON.parse(text) })
      })
    })
    if (typeof bytes !== "number") return void outgoing.end(bytes)
    let left = bytes
    const more = () => {
      while (left > 0) {
        const next = left >= block.length ? block : block.subarray(0, left)
        left -= next.length
        if (!outgoing.write(next)) return void outgoing.once("drain", more)
      }
      outgoing.end()
    }
    more()
  })

const admin = { "x-admin-secret": secret }
const tus = { ...admin, "tus-resumable": "1.0.0" }
const piece = { ...tus, "content-type": "application/offset+octet-stream" }

const upload = async (address: string, bytes: number, cuts: ReadonlyArray<number>) => {
  const { headers } = await send(address, "POST", "/api/uploads", {
    ...tus,
    "upload-length": String(bytes),
    "upload-metadata": `filename ${Buffer.from("film.mp4").toString("base64")}`
  })
  const path = String(headers["location"])
  const ends = [...cuts, bytes]
  for (const [index, end] of ends.entries()) {
    const offset = ends[index - 1] ?? 0
    await send(address, "PATCH", path, { ...piece, "upload-offset": String(offset) }, end - offset)
  }
}

/** Bodies of the size of a segment, and what is left. */
const inSegments = async (bytes: number, each: (size: number) => Promise<unknown>) => {
  for (let left = bytes; left > 0; left -= segmentBytes) await each(Math.min(left, segmentBytes))
}

/** As the uploads need it: a video whose job a worker holds. */
const prepareSegments = async (address: string) => {
  const { cmaf } = await makeFilm()
  const small = cmaf["360p"]!.get("seg_0000.m4s")!
  // Its pictures are the last box: longer, as those of a large segment are.
  const mediaAt = small.lastIndexOf("mdat", undefined, "latin1") - 4
  const segmentOf = (size: number) => {
    const body = Buffer.concat([small, Buffer.alloc(Math.max(0, size - small.length), block)])
    body.writeUInt32BE(body.length - mediaAt, mediaAt)
    return { body, sha256: createHash("sha256").update(body).digest("hex") }
  }
  const segments = new Map([segmentBytes, warmUp.bytes].map((size) => [size, segmentOf(size)]))
  const json = { ...admin, "content-type": "application/json" }
  const worker = await send(
    address,
    "POST",
    "/api/worker/register",
    json,
    Buffer.from(JSON.stringify({ worker_type: "remote", worker_name: "bench" }))
  )
  const key = { "x-worker-api-key": worker.json.api_key as string }
  await send(address, "POST", "/api/videos?filename=a.mp4", admin, 1000)
  const { json: claim } = await send(address, "POST", "/api/worker/claim", key)
  let n = 0
  return (bytes: number) =>
    inSegments(bytes, (size) => {
      const { body, sha256 } = segments.get(size)!
      const headers = { ...key, "content-type": "application/octet-stream", "x-content-sha256": sha256 }
      const name = `seg_${String(n++).padStart(4, "0")}.m4s`
      return send(address, "POST", `/api/worker/upload/${claim.video_id}/segment/360p/${name}`, headers, body)
    })
}

const workOf = async (way: string, address: string): Promise<(bytes: number) => Promise<unknown>> => {
  const toBare = (bytes: number) => send(address, "POST", "/", { "content-type": "application/octet-stream" }, bytes)
  switch (way) {
    case "post":
      return (bytes) => send(address, "POST", "/api/videos?filename=film.mp4", admin, bytes)
    case "tus":
      return (bytes) => upload(address, bytes, [])
    case "resumed":
      return (bytes) => upload(address, bytes, [bytes / 2])
    case "segments":
      return prepareSegments(address)
  }
  return way.endsWith("-segments") ? (bytes) => inSegments(bytes, toBare) : toBare
}

const measure = async (way: string, bytes: number, start: () => Promise<Running>) => {
  const server = await start()
  try {
    const work = await workOf(way, server.address)
    for (let n = 0; n < warmUp.requests; n++) await work(warmUp.bytes)
    const before = await cpuOf(server.pid)
    const began = performance.now()
    await work(bytes)
    const wall = (performance.now() - began) / 1000
    const gigabytes = bytes / 1e9
    return {
      cpu: ((await cpuOf(server.pid)) - before) / gigabytes,
      rate: bytes / 1e6 / wall,
      peak: (await peakOf(server.pid)) / 1e6
    }
  } finally {
    await server.stop()
  }
}

const program = Effect.gen(function* () {
  const { environment, folder } = yield* Place
  const { PGDATABASE, PGHOST, PGPASSWORD, PGPORT, PGUSER } = environment
  const storage = join(folder, "storage")
  const api = yield* Effect.promise(() => bundleApi(folder))
  const env = {
    VLOG_DATABASE_URL: `postgres://${PGUSER}:${encodeURIComponent(PGPASSWORD!)}@${PGHOST}:${PGPORT}/${PGDATABASE}`,
    VLOG_WORKER_ADMIN_SECRET: secret,
    VLOG_STORAGE_PATH: storage,
    VLOG_RATE_LIMIT_ENABLED: "false"
  }
  const table: Array<ReadonlyArray<string | number>> = []
  for (const bytes of sizes) {
    const floors = new Map<string, number>()
    const ratio = (way: string, cpu: number, floor: string) => {
      const other = floors.get(way.endsWith("segments") ? `${floor}-segments` : floor)
      return other === undefined ? "-" : `${(cpu / other).toFixed(2)} x`
    }
    for (const way of ways) {
      const isFloor = way.startsWith("node")
      yield* Effect.promise(() => mkdir(storage, { recursive: true }))
      const { cpu, peak, rate } = yield* Effect.promise(() =>
        measure(way, bytes, () => (isFloor ? startBare(way.replace("-segments", ""), storage) : startOurs(api, env)))
      )
      if (isFloor) floors.set(way, cpu)
      yield* Effect.promise(() => rm(storage, { recursive: true, force: true }))
      table.push([
        `${bytes / 1024 / 1024} MiB`,
        way,
        cpu.toFixed(2),
        ratio(way, cpu, "node"),
        ratio(way, cpu, "node-sha256"),
        peak.toFixed(0),
        rate.toFixed(0)
      ])
    }
  }
  print([["size", "way", "CPU s/GB", "of node", "of node-sha256", "peak MB", "MB/s"], ...table])
})

NodeRuntime.runMain(program.pipe(Effect.provide(bench)))
