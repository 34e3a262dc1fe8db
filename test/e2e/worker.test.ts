/** A worker as an operator runs it, against all that may be at the other end of its address. */
import { createServer, type RequestListener, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { countFrames, ffmpegWith } from "../support/media.ts"
import { type Program, runToEnd, until } from "../support/programs.ts"
import { type Farm, makeFarm } from "./farm.ts"

let farm: Farm

beforeAll(async () => {
  farm = await makeFarm()
})

afterAll(() => farm.stop())

const endsWith = async (program: Program, says: ReadonlyArray<RegExp>) => {
  const ending = await Promise.race([program.ended, delay(60_000)])
  if (ending === undefined) assert.fail(`still there:\n${program.output()}`)
  assert.isAbove(ending.code ?? 0, 0, program.output())
  for (const text of says) assert.match(program.stderr(), text)
  assert.match(program.stderr(), /^error: /)
  assert.notMatch(program.output(), /^\s+at /m)
  assert.notInclude(program.output(), farm.key, "a key is never shown")
}

describe("a key that this API does not take", () => {
  it.each([
    ["one that is none", () => "swordfish"],
    ["one of another API", () => "vlogw_AAAAAAAAAAAA_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA00000000"],
    [
      "one with a wrong letter",
      () => `${farm.key.slice(0, 20)}${farm.key[20] === "x" ? "y" : "x"}${farm.key.slice(21)}`
    ]
  ])("%s ends the worker, who says which setting to check", async (_, wrong) => {
    await endsWith(farm.startWorker({ VLOG_WORKER_API_KEY: wrong() }), [
      new RegExp(`${farm.address} rejects the key of this worker`),
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
      await endsWith(farm.startWorker({ VLOG_WORKER_API_URL: other }), [
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
      const worker = farm.startWorker({ VLOG_WORKER_API_URL: `http://me:hunter2@${host}/` })
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

  it("are shown as they are, without what is secret in them", async () => {
    const said = async (url: string) => (await runToEnd("worker", [], { VLOG_WORKER_API_URL: url })).stderr
    assert.include(await said("host:9002x"), 'VLOG_WORKER_API_URL is "host:9002x": Expected an address like http://')
    for (const url of ["ftp://me:hunter2@somewhere/a@b", "me:hunter2@somewhere", "ftp://somewhere?token=hunter2"]) {
      const text = await said(url)
      assert.match(text, /VLOG_WORKER_API_URL is ".*somewhere|VLOG_WORKER_API_URL is "ftp:\/\/\*\*\*@b"/)
      assert.notInclude(text, "hunter2")
    }
    const sizes = await runToEnd("worker", [], {
      VLOG_WORKER_MIN_FREE_SPACE: "much",
      VLOG_WORKER_POLL_INTERVAL: "1e300"
    })
    assert.include(sizes.stderr, 'VLOG_WORKER_MIN_FREE_SPACE is "much": Expected a size like "512 MiB"')
    assert.include(sizes.stderr, 'VLOG_WORKER_POLL_INTERVAL is "1e300": Expected a value less than or equal to 86400')
  })

  it("of the machine: no ffmpeg", async () => {
    await endsWith(farm.startWorker({ PATH: farm.folder }), [/ffmpeg/, /not found on PATH/, /[Ii]nstall/])
  })

  it("of the machine: a work folder that cannot be made", async () => {
    await endsWith(farm.startWorker({ VLOG_WORKER_WORK_DIR: "/dev/null/work" }), [
      /\/dev\/null\/work/,
      /Check VLOG_WORKER_WORK_DIR/
    ])
  })
})

describe("a terminal that is closed", () => {
  it("ends the worker as SIGTERM does", async () => {
    const worker = farm.startWorker()
    await worker.said('"ready"')
    worker.kill("SIGHUP")
    assert.deepStrictEqual(await worker.ended, { code: 0, signal: null }, worker.output())
  })
})

describe("an API that is away", () => {
  it("is waited for, and the worker does its work when it comes", async () => {
    farm.api.kill("SIGTERM")
    assert.strictEqual((await farm.api.ended).code, 0, farm.api.output())
    const worker = farm.startWorker()
    await worker.said("waiting for the Worker API")
    assert.include(worker.output(), `${farm.address} cannot be reached (ECONNREFUSED)`)
    await until("it has asked again", () => worker.output().split("waiting for the Worker API").length > 2)
    assert.notInclude(worker.output(), '"ready"')

    const api = await farm.startApi()
    await worker.said('"ready"')

    const film = join(farm.folder, "small.mp4")
    await ffmpegWith("-f lavfi -i testsrc2=s=320x180:r=25:d=3 -c:v libx264 -preset ultrafast", film)
    const slug = await farm.upload(film, "small")
    await farm.published(slug, worker)
    assert.strictEqual(await countFrames(`${farm.address}/videos/${slug}/master.m3u8`), 75)

    api.kill("SIGTERM")
    await api.ended
    await worker.said("cannot claim, trying again")
    await farm.startApi()
    worker.kill("SIGTERM")
    const ending = await worker.ended
    assert.deepStrictEqual(ending, { code: 0, signal: null }, worker.output())
    assert.strictEqual(worker.stderr(), "")
  })
})
