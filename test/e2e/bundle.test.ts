/** The programs as a container image has them: bundled, away from the repository and from node_modules. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { execa } from "execa"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { afterAll, assert, beforeAll, it } from "vitest"
import { ffmpegWith } from "../support/media.ts"
import { freePort, repository, until } from "../support/programs.ts"
import { TestDatabase } from "../support/postgres.ts"

const secret = "a secret for the test of bundles"

let folder: string
let address: string
const scope = Scope.makeUnsafe()

const running: Array<{ readonly kill: (signal: NodeJS.Signals) => boolean; readonly ended: Promise<unknown> }> = []

/** With nothing of this process' environment but where programs are found. */
const startBundle = (name: string, env: Readonly<Record<string, string>>) => {
  let output = ""
  const child = execa(process.execPath, [join(folder, "dist/run.js"), name], {
    cwd: folder,
    extendEnv: false,
    env: { PATH: process.env["PATH"] ?? "", HOME: folder, TMPDIR: folder, ...env },
    reject: false,
    all: true,
    buffer: false
  })
  child.all.setEncoding("utf8").on("data", (text: string) => (output += text))
  running.push({ kill: (signal) => child.kill(signal), ended: child })
  return { child, output: () => output }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-bundle-"))
  await execa(process.execPath, [join(repository, "scripts/bundle.mjs"), join(folder, "dist")])
  const database = await Effect.runPromise(Layer.buildWithScope(TestDatabase.layerEmpty, scope))
  const port = await freePort()
  address = `http://127.0.0.1:${port}`
  const api = startBundle("api", {
    VLOG_DATABASE_URL: Redacted.value(Context.get(database, TestDatabase).url),
    VLOG_WORKER_ADMIN_SECRET: secret,
    VLOG_STORAGE_PATH: join(folder, "storage"),
    VLOG_WORKER_API_HOST: "127.0.0.1",
    VLOG_WORKER_API_PORT: String(port)
  })
  await until(
    "the API is healthy",
    () =>
      fetch(`${address}/api/health`).then(
        (answer) => answer.ok,
        () => false
      ),
    { within: 60_000, details: api.output }
  )
})

afterAll(async () => {
  for (const program of running) program.kill("SIGTERM")
  await Promise.all(running.map((program) => program.ended))
  await Effect.runPromise(Scope.close(scope, Exit.void))
  await rm(folder, { recursive: true, force: true })
})

it("the API migrates an empty database and serves its pages, the player and the contract", async () => {
  const page = await (await fetch(`${address}/`)).text()
  const assets = [...page.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(([, path]) => path!)
  assert.isNotEmpty(assets)
  for (const path of [...assets, "/assets/shaka/shaka-player.ui.js", "/assets/shaka/controls.css", "/openapi.json"]) {
    assert.strictEqual((await fetch(`${address}${path}`)).status, 200, path)
  }
})

it("a worker transcodes a video for it, and stops when it is told to", async () => {
  const registered = await fetch(`${address}/api/worker/register`, {
    method: "POST",
    headers: { "X-Admin-Secret": secret, "Content-Type": "application/json" },
    body: JSON.stringify({ worker_name: "bundle" })
  })
  const { api_key } = (await registered.json()) as { api_key: string }
  const clip = join(folder, "clip.mp4")
  await ffmpegWith("-f lavfi -i testsrc2=s=320x180:r=25:d=2 -pix_fmt yuv420p", clip)
  const uploaded = await fetch(`${address}/api/videos?filename=clip.mp4`, {
    method: "POST",
    headers: { "X-Admin-Secret": secret, "Content-Type": "application/octet-stream" },
    body: await readFile(clip)
  })
  assert.isTrue(uploaded.ok, await uploaded.text())
  const worker = startBundle("worker", {
    VLOG_WORKER_API_URL: address,
    VLOG_WORKER_API_KEY: api_key,
    VLOG_WORKER_WORK_DIR: join(folder, "work"),
    VLOG_WORKER_POLL_INTERVAL: "1",
    VLOG_WORKER_HEALTH_PORT: String(await freePort())
  })
  await until(
    "the video is published",
    async () => (await fetch(`${address}/videos/clip/master.m3u8`)).status === 200,
    { within: 120_000, every: 500, details: worker.output }
  )
  worker.child.kill("SIGTERM")
  const { exitCode } = await worker.child
  assert.strictEqual(exitCode, 0, worker.output())
})

it("says which programs there are when another is asked for", async () => {
  for (const args of [[], ["everything"]]) {
    const ended = await execa(process.execPath, [join(folder, "dist/run.js"), ...args], { reject: false })
    assert.strictEqual(ended.exitCode, 64)
    assert.match(ended.stderr, /^error: .*: api, backup, cleanup, vlog, worker$/)
  }
})

it("goes with the licences of what is in it", async () => {
  const text = await readFile(join(folder, "dist/LICENSES.txt"), "utf8")
  for (const name of ["effect", "postgres", "mp4box", "shaka-player"])
    assert.match(text, new RegExp(`^${name} \\d`, "m"))
  assert.includeMembers(await readdir(join(folder, "dist")), ["migrations", "assets"])
})
