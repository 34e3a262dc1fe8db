/**
 * What tracing costs a transcode: processor time of the bundled worker and its ffmpeg from a job's upload to its
 * publication, with spans, metrics and logs for a collector on this machine and with none, in turns. Tracing can add to
 * the worker's own time only, so that is told apart: ffmpeg's differs more from run to run than a hundredth.
 *
 *     node bench/traced-job.ts                              3 turns of each, 30 s of 720p
 */
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect } from "effect"
import { sampleVideoArguments } from "../src/adapters/ffmpeg/SampleVideo.ts"
import { freePort, until } from "../test/support/programs.ts"
import { median, print } from "./support/figures.ts"
import { options } from "./support/options.ts"
import { forgetfulBench, Place } from "./support/place.ts"
import { childrenCpuOf, cpuOf, startOurs } from "./support/programs.ts"
import { bundleApi } from "./support/replicas.ts"

const { seconds: length, turns } = options({ turns: 3, seconds: 30 })

const execute = promisify(execFile)
const root = fileURLToPath(new URL("..", import.meta.url))
const admin = { "x-admin-secret": "a secret of more than sixteen letters" }

const program = Effect.gen(function* () {
  const { environment, folder } = yield* Place
  const { PGDATABASE, PGHOST, PGPASSWORD, PGPORT, PGUSER } = environment
  let exported = 0
  const collector = createServer((request, response) => {
    exported += 1
    request.resume().on("end", () => response.setHeader("content-type", "application/json").end("{}"))
  }).listen(0, "127.0.0.1")
  yield* Effect.promise(() => once(collector, "listening"))
  yield* Effect.addFinalizer(() => Effect.sync(() => collector.close()))
  const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}` }

  const worker = join(folder, "programs/worker.js")
  const film = join(folder, "film.mp4")
  const short = join(folder, "short.mp4")
  const api = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      await execute(process.execPath, [join(root, "scripts/bundle.mjs"), join(folder, "programs"), "worker"])
      for (const [output, seconds] of [
        [film, length],
        [short, 2]
      ] as const) {
        await execute("ffmpeg", sampleVideoArguments({ width: 1280, height: 720, seconds, output }))
      }
      return startOurs(await bundleApi(folder), {
        PATH: process.env["PATH"] ?? "",
        VLOG_DATABASE_URL: `postgres://${PGUSER}:${encodeURIComponent(PGPASSWORD!)}@${PGHOST}:${PGPORT}/${PGDATABASE}`,
        VLOG_STORAGE_PATH: join(folder, "storage"),
        VLOG_WORKER_ADMIN_SECRET: admin["x-admin-secret"],
        // Spans of a job are made where its upload was traced.
        ...traced
      })
    }),
    (api) => Effect.promise(() => api.stop())
  )
  const ask = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`${api.address}${path}`, { method: "POST", headers: admin, ...init })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json()) as any
  }

  /** Seconds of the worker by itself, and of the programs that it ran. */
  const turn = async (name: string, more: Readonly<Record<string, string>>) => {
    const { api_key: key } = await ask("/api/worker/register", {
      headers: { ...admin, "content-type": "application/json" },
      body: JSON.stringify({ worker_name: name })
    })
    const port = await freePort()
    const child = spawn(process.execPath, [worker], {
      env: {
        PATH: process.env["PATH"],
        VLOG_WORKER_API_URL: api.address,
        VLOG_WORKER_API_KEY: key,
        VLOG_WORKER_WORK_DIR: join(folder, "work"),
        VLOG_WORKER_HEALTH_PORT: String(port),
        VLOG_HWACCEL_TYPE: "none",
        LOG_LEVEL: "warn",
        ...more
      },
      stdio: "inherit"
    })
    let before = { own: 0, ffmpeg: 0 }
    try {
      const isReady = () =>
        fetch(`http://127.0.0.1:${port}/ready`).then(
          ({ ok }) => ok,
          () => false
        )
      await until("the worker is ready", isReady, { within: 60_000 })
      // The first job warms up.
      for (const [slug, path] of [
        [`${name}-first`, short],
        [name, film]
      ] as const) {
        before = { own: await cpuOf(child.pid!), ffmpeg: await childrenCpuOf(child.pid!) }
        const { video } = await ask(`/api/videos?filename=${slug}.mp4`, { body: new Uint8Array(await readFile(path)) })
        const isPublished = async () =>
          (await ask(`/api/videos/${video.slug}`, { method: "GET" })).video.published_at !== null
        await until(`${slug} is published`, isPublished, { within: 240_000, every: 250 })
      }
      return {
        own: (await cpuOf(child.pid!)) - before.own,
        ffmpeg: (await childrenCpuOf(child.pid!)) - before.ffmpeg
      }
    } finally {
      const ended = once(child, "exit")
      child.kill("SIGTERM")
      await ended
    }
  }

  const costs = {
    off: [] as Array<Awaited<ReturnType<typeof turn>>>,
    on: [] as Array<Awaited<ReturnType<typeof turn>>>
  }
  yield* Effect.promise(async () => {
    for (let index = 1; index <= turns; index++) {
      costs.off.push(await turn(`off-${index}`, {}))
      costs.on.push(await turn(`on-${index}`, traced))
    }
  })
  const of = (kind: "off" | "on", part: "own" | "ffmpeg") => median(costs[kind].map((cost) => cost[part]))
  print([
    ["tracing", "worker CPU s", "ffmpeg CPU s"],
    ...(["off", "on"] as const).map((kind) => [kind, of(kind, "own").toFixed(2), of(kind, "ffmpeg").toFixed(2)])
  ])
  const more = (of("on", "own") - of("off", "own")) / (of("off", "own") + of("off", "ffmpeg"))
  console.log(`${exported} requests to the collector`)
  console.log(`tracing adds ${(more * 100).toFixed(2)} % to what a job costs (wanted: 1 at most)`)
}).pipe(Effect.scoped)

NodeRuntime.runMain(program.pipe(Effect.provide(forgetfulBench)))
