/** A worker as an operator runs it, against all that may be at the other end of its address. */
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises"
import { createServer, type RequestListener, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { countFrames, ffmpegWith } from "../support/media.ts"
import { TestDatabase } from "../support/postgres.ts"
import { freePort, type Program, runToEnd, start, stopAll, until } from "../support/programs.ts"

const adminSecret = "a secret of more than sixteen letters"
const scope = Scope.makeUnsafe()
let folder: string
let port: number
let address: string
let key: string
let api: Program
let databaseUrl: string

const startApi = () =>
  start("api", [], {
    VLOG_DATABASE_URL: databaseUrl,
    VLOG_WORKER_ADMIN_SECRET: adminSecret,
    VLOG_STORAGE_PATH: join(folder, "storage"),
    VLOG_WORKER_API_HOST: "127.0.0.1",
    VLOG_WORKER_API_PORT: String(port)
  })

const startWorker = (env: Readonly<Record<string, string>>) =>
  start("worker", [], {
    VLOG_WORKER_API_URL: address,
    VLOG_WORKER_API_KEY: key,
    VLOG_WORKER_WORK_DIR: join(folder, "work"),
    VLOG_WORKER_HEALTH_PORT: "off",
    VLOG_WORKER_POLL_INTERVAL: "0.2",
    ...env
  })

const asAdmin = async <A>(path: string, init: RequestInit = {}): Promise<A> => {
  const response = await fetch(`${address}${path}`, {
    ...init,
    headers: { "x-admin-secret": adminSecret, "content-type": "application/json" }
  })
  assert.isTrue(response.ok, `${path}: ${response.status}`)
  return (await response.json()) as A
}

const healthy = () =>
  until(
    "the API is healthy",
    () =>
      fetch(`${address}/api/health`).then(
        (response) => response.ok,
        () => false
      ),
    { details: () => api.output() }
  )

beforeAll(async () => {
  folder = await mkdtemp("/tmp/vlog-worker-")
  await chmod(folder, 0o755)
  const context = await Effect.runPromise(Layer.buildWithScope(TestDatabase.layer, scope))
  databaseUrl = Redacted.value(Context.get(context, TestDatabase).url)
  port = await freePort()
  address = `http://127.0.0.1:${port}`
  api = startApi()
  await healthy()
  const registered = await asAdmin<{ api_key: string }>("/api/worker/register", {
    method: "POST",
    body: JSON.stringify({ worker_name: "one" })
  })
  key = registered.api_key
})

afterAll(async () => {
  await stopAll()
  await Effect.runPromise(Scope.close(scope, Exit.void))
  await rm(folder, { recursive: true, force: true })
})

const endsWith = async (program: Program, says: ReadonlyArray<RegExp>) => {
  const ending = await Promise.race([program.ended, delay(60_000)])
  if (ending === undefined) assert.fail(`still there:\n${program.output()}`)
  assert.isAbove(ending.code ?? 0, 0, program.output())
  for (const text of says) assert.match(program.stderr(), text)
  assert.match(program.stderr(), /^error: /)
  assert.notMatch(program.output(), /^\s+at /m)
  assert.notInclude(program.output(), key, "a key is never shown")
}

describe("a key that this API does not take", () => {
  it.each([
    ["one that is none", () => "swordfish"],
    ["one of another API", () => "vlogw_AAAAAAAAAAAA_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA00000000"],
    ["one with a wrong letter", () => `${key.slice(0, 20)}${key[20] === "x" ? "y" : "x"}${key.slice(21)}`]
  ])("%s ends the worker, who says which setting to check", async (_, wrong) => {
    await endsWith(startWorker({ VLOG_WORKER_API_KEY: wrong() }), [
      new RegExp(`${address} rejects the key of this worker`),
      /check VLOG_WORKER_API_KEY/
    ])
  })
})

describe("an address where something else answers", () => {
  const answers: ReadonlyArray<readonly [string, RequestListener]> = [
    ["a page for everything", (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<h1>Hi")],
    ["404 for everything", (_, response) => response.writeHead(404).end("nothing here")],
    ["JSON of its own", (_, response) => response.writeHead(200, { "content-type": "application/json" }).end("{}")],
    ["a way to somewhere else", (_, response) => response.writeHead(302, { location: "/login" }).end()]
  ]

  it.each(answers)("%s ends the worker, who says which setting to check", async (_, answer) => {
    const server = await new Promise<Server>((done) => {
      const server = createServer((request, response) => {
        request.resume()
        answer(request, response)
      }).listen(0, "127.0.0.1", () => done(server))
    })
    const other = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    try {
      await endsWith(startWorker({ VLOG_WORKER_API_URL: other }), [
        new RegExp(`${other} does not answer like a vlog Worker API`),
        /check VLOG_WORKER_API_URL/
      ])
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })
})

describe("an address with a name and a password in it", () => {
  it("is told without them, and they are what a proxy in front is given", async () => {
    let given: string | undefined
    const server = await new Promise<Server>((done) => {
      const server = createServer((request, response) => {
        given = request.headers.authorization
        response.writeHead(401).end("not here")
      }).listen(0, "127.0.0.1", () => done(server))
    })
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    try {
      const worker = startWorker({ VLOG_WORKER_API_URL: `http://me:hunter2@${host}/` })
      await endsWith(worker, [new RegExp(`http://${host} `)])
      assert.notInclude(worker.output(), "hunter2")
      assert.strictEqual(given, `Basic ${Buffer.from("me:hunter2").toString("base64")}`)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })
})

describe("settings that are not right", () => {
  it("are named, all that are missing", async () => {
    const ended = await runToEnd("worker")
    assert.isAbove(ended.code ?? 0, 0)
    for (const name of ["VLOG_WORKER_API_URL", "VLOG_WORKER_API_KEY"])
      assert.include(ended.stderr, `${name} is not set`)
    assert.notMatch(ended.output, /^\s+at /m)
  })

  it("are named, all that make no sense, each with what was expected", async () => {
    const wrong = {
      VLOG_WORKER_API_URL: "ftp://somewhere",
      VLOG_WORKER_API_KEY: "",
      VLOG_HWACCEL_PREFERRED_CODEC: "vp8",
      VLOG_HWACCEL_TYPE: "abacus",
      VLOG_WORKER_LEASE_SECONDS: "1",
      VLOG_WORKER_POLL_INTERVAL: "soon",
      VLOG_FFMPEG_STALL_TIMEOUT: "-3"
    }
    const ended = await runToEnd("worker", [], wrong)
    assert.isAbove(ended.code ?? 0, 0)
    for (const name of Object.keys(wrong)) assert.match(ended.stderr, new RegExp(`- ${name}`), ended.stderr)
    assert.strictEqual(ended.stderr.match(/^ {2}- /gm)?.length, Object.keys(wrong).length, ended.stderr)
    assert.include(ended.stderr, "h264")
    assert.include(ended.stderr, "http://host:9002")
    assert.notMatch(ended.output, /^\s+at |SchemaError|undefined/m)
  })

  it("of the machine: no ffmpeg", async () => {
    await endsWith(startWorker({ PATH: folder }), [/ffmpeg/, /not found on PATH/, /[Ii]nstall/])
  })

  it("of the machine: a work folder that cannot be made", async () => {
    await endsWith(startWorker({ VLOG_WORKER_WORK_DIR: "/dev/null/work" }), [/\/dev\/null\/work/])
  })
})

describe("an API that is away", () => {
  it("is waited for, and the worker does its work when it comes", async () => {
    api.kill("SIGTERM")
    assert.strictEqual((await api.ended).code, 0, api.output())
    const worker = startWorker({})
    await worker.said("waiting for the Worker API")
    assert.include(worker.output(), `${address} cannot be reached (ECONNREFUSED)`)
    await until("it has asked again", () => worker.output().split("waiting for the Worker API").length > 2)
    assert.notInclude(worker.output(), '"ready"')

    api = startApi()
    await healthy()
    await worker.said('"ready"')

    const film = join(folder, "small.mp4")
    await ffmpegWith("-f lavfi -i testsrc2=s=320x180:r=25:d=3 -c:v libx264 -preset ultrafast", film)
    const { video } = await asAdmin<{ video: { slug: string } }>("/api/videos?filename=small.mp4", {
      method: "POST",
      body: await readFile(film)
    })
    await until(
      "the film is published",
      async () => {
        const found = await asAdmin<{ video: { published_at: string | null } }>(`/api/videos/${video.slug}`)
        return found.video.published_at !== null
      },
      { within: 120_000, details: () => worker.output() }
    )
    assert.strictEqual(await countFrames(`${address}/videos/${video.slug}/master.m3u8`), 75)

    api.kill("SIGTERM")
    await api.ended
    await worker.said("cannot claim, trying again")
    api = startApi()
    await healthy()
    worker.kill("SIGTERM")
    const ending = await worker.ended
    assert.deepStrictEqual(ending, { code: 0, signal: null }, worker.output())
    assert.strictEqual(worker.stderr(), "")
  })
})
