/**
 * What a worker costs that has nothing to do, and how soon the API knows of it: from the bundle, started as the image
 * starts it, against an API that answers at once.
 *
 *     node bench/startup.ts                             3 starts, 15 s of rest each
 *     node bench/startup.ts --rounds 10 --rest 60
 */
import { execFile, spawn } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { noJob } from "../src/adapters/worker-api/server/Claims.ts"
import { imageEnvironment, imageFlags } from "./support/image.ts"
import { options } from "./support/options.ts"

const { rest, rounds: starts } = options({ rounds: 3, rest: 15 })

const root = fileURLToPath(new URL("..", import.meta.url))
const run = promisify(execFile)

const ticksASecond = 100

const processorSeconds = async (pid: number) => {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /, "").split(" ")
  return (Number(fields[11]) + Number(fields[12])) / ticksASecond
}

const residentMegabytes = async (pid: number) =>
  (Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024) / 1e6

const answers = {
  heartbeat: {
    status: "ok",
    server_time: new Date().toISOString(),
    required_version: null,
    version_ok: true,
    worker_status: "idle",
    current_job_id: null,
    last_heartbeat_recorded: null
  },
  claim: noJob
}

/** One start: milliseconds and processor seconds to the first heartbeat, and megabytes of memory afterwards. */
const start = async (folder: string) => {
  const first = Promise.withResolvers<void>()
  const claimed = Promise.withResolvers<void>()
  const api = createServer((request, response) => {
    const asked = request.url?.includes("heartbeat") === true ? "heartbeat" : "claim"
    ;(asked === "heartbeat" ? first : claimed).resolve()
    request.resume()
    response.setHeader("content-type", "application/json").end(JSON.stringify(answers[asked]))
  }).listen(0, "127.0.0.1")
  await new Promise((listening) => api.once("listening", listening))
  const began = performance.now()
  const worker = spawn(process.execPath, [...imageFlags, join(folder, "run.js"), "worker"], {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      PATH: process.env["PATH"],
      ...imageEnvironment,
      VLOG_WORKER_API_URL: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
      VLOG_WORKER_API_KEY: "a key",
      VLOG_WORKER_WORK_DIR: join(folder, "work"),
      VLOG_WORKER_HEALTH_PORT: "0"
    }
  })
  const ended = new Promise((end) => worker.once("exit", end))
  try {
    await Promise.race([first.promise, ended])
    const milliseconds = performance.now() - began
    const seconds = await processorSeconds(worker.pid ?? 0)
    await Promise.race([claimed.promise, ended])
    const claims = performance.now() - began
    await sleep(rest * 1000)
    return { milliseconds, seconds, claims, megabytes: await residentMegabytes(worker.pid ?? 0) }
  } finally {
    worker.kill("SIGTERM")
    await ended
    api.closeAllConnections()
    api.close()
  }
}

const folder = await mkdtemp(join(tmpdir(), "vlog-startup-"))
try {
  await run(process.execPath, [join(root, "scripts/bundle.mjs"), folder, "worker"])
  // As the image does: fills the cache, and ends for want of settings.
  await run(process.execPath, [...imageFlags, join(folder, "run.js"), "worker"], { env: {} }).catch(() => {})
  const rounds: Array<Awaited<ReturnType<typeof start>>> = []
  for (let round = 0; round < starts; round++) rounds.push(await start(folder))
  const median = (pick: (round: (typeof rounds)[number]) => number) =>
    rounds.map(pick).toSorted((a, b) => a - b)[rounds.length >> 1] ?? NaN
  console.log(`Node.js ${process.version} ${imageFlags.join(" ")}, median of ${rounds.length} starts`)
  console.log(`first heartbeat    ${median((round) => round.milliseconds).toFixed(0)} ms (wanted: 500)`)
  console.log(`  processor time   ${median((round) => round.seconds).toFixed(2)} s`)
  console.log(
    `first claim        ${(median((round) => round.claims) / 1000).toFixed(1)} s, when its encoders are known`
  )
  console.log(`memory at rest     ${median((round) => round.megabytes).toFixed(1)} MB (wanted: 80)`)
} finally {
  await rm(folder, { recursive: true, force: true })
}
