/**
 * A job whose workers die in the middle of it: the next goes on with what they uploaded, and nobody can see where. And one
 * whose source comes slowly, and not always as it should.
 */
import { existsSync, readdirSync } from "node:fs"
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { ffmpegWith, packetsOf, watch } from "../support/media.ts"
import { freePort, processesOf, type Program, until } from "../support/programs.ts"
import { type Farm, makeFarm } from "./farm.ts"
import { readHls, spanOf } from "./published.ts"

/** Five segments, of which the last is short. */
const frames = 290
const segment = 60
const x264 = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -crf 30 -g 250 -c:a aac"

let farm: Farm
let film: string

const attemptsPath = () => join(farm.folder, "storage", "attempts")
const partsOf = (lease: string) => readdirSync(join(attemptsPath(), lease)).length
const leases = () => (existsSync(attemptsPath()) ? readdirSync(attemptsPath()) : [])

/** Tells how many frames it encoded, as often as it is asked. */
const startWorker = async (address = farm.address) => {
  const port = await freePort()
  const program = farm.startWorker({
    VLOG_WORKER_API_URL: address,
    VLOG_WORKER_HEALTH_PORT: String(port),
    VLOG_WORKER_LEASE_SECONDS: "5",
    VLOG_WORKER_DRAIN_SECONDS: "0"
  })
  const encoded = async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    return [...text.matchAll(/^vlog_worker_frames_encoded_total\{[^}]*\} (\S+)$/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0
    )
  }
  return { program, encoded }
}

beforeAll(async () => {
  farm = await makeFarm()
  film = join(farm.folder, "film.mp4")
  await ffmpegWith(
    `-f lavfi -i testsrc2=s=854x480:r=15:d=20,noise=alls=12:allf=t -f lavfi -i sine=f=440:r=48000:d=20 -frames:v ${frames} ${x264}`,
    film
  )
})

afterAll(() => farm.stop())

describe("a job whose workers die", () => {
  it("ends as if nothing had happened, without doing again what was done", async () => {
    const broken = await farm.upload(film, "broken")
    const seen = new Set<string>()
    /** The attempt has uploaded this many files. */
    const uploaded = async (count: number, worker: Program) => {
      let lease: string | undefined
      await until(
        `an attempt has ${count} files`,
        () => {
          lease = leases().find((name) => !seen.has(name))
          return lease !== undefined && partsOf(lease) >= count
        },
        { within: 60_000, every: 20, details: () => worker.output() }
      )
      seen.add(lease!)
    }

    const first = await startWorker()
    // Of sound, and the first segment of each picture rendition at least.
    await uploaded(8, first.program)
    const ofFirst = await first.encoded()
    first.program.kill("SIGKILL")
    await first.program.ended
    await until(
      "its ffmpeg has gone",
      () => !processesOf(farm.folder).some(({ command }) => command.startsWith("ffmpeg"))
    )

    const second = await startWorker()
    await second.program.said('"claimed"', { within: 40_000 })
    await second.program.said(/"resumedSegments":[1-9]/)
    // What it takes over, and something of its own.
    await uploaded(9, second.program)
    const ofSecond = await second.encoded()
    second.program.kill("SIGTERM")
    assert.deepStrictEqual(await second.program.ended, { code: 0, signal: null }, second.program.output())
    assert.include(second.program.output(), "task given back")

    const third = await startWorker()
    await third.program.said(/"resumedSegments":[2-9]/)
    await farm.published(broken, third.program)
    const ofThird = await third.encoded()

    const whole = await farm.upload(film, "whole")
    await farm.published(whole, third.program)
    const ofWhole = (await third.encoded()) - ofThird
    third.program.kill("SIGTERM")
    await third.program.ended

    assert.strictEqual(ofWhole, frames)
    const total = ofFirst + ofSecond + ofThird
    assert.isAtMost(total, 1.15 * ofWhole + 2 * segment)
    assert.isAtMost(ofThird, ofWhole - 2 * segment)

    const [resumed, clean] = await Promise.all(
      [broken, whole].map((slug) => readHls(`${farm.address}/videos/${slug}/master.m3u8`, join(farm.folder, slug)))
    )
    for (const [position, variant] of resumed!.video.entries()) {
      const twin = clean!.video[position]!
      const times = async (path: string) =>
        (await packetsOf(path, "v:0")).map(({ time }) => time.toFixed(5)).toSorted((a, b) => Number(a) - Number(b))
      assert.deepStrictEqual(await times(variant.path), await times(twin.path))
      assert.deepStrictEqual(
        await Promise.all(variant.segments.map((part) => spanOf(part, "v:0"))),
        await Promise.all(twin.segments.map((part) => spanOf(part, "v:0")))
      )
      const shown = await watch(variant.path)
      assert.strictEqual(shown.complaints, "")
      assert.strictEqual(shown.frames, frames)
    }
    assert.deepStrictEqual(
      resumed!.audio.map(({ segments }) => segments.map(({ seconds }) => seconds)),
      clean!.audio.map(({ segments }) => segments.map(({ seconds }) => seconds))
    )
    assert.deepStrictEqual(readdirSync(join(farm.folder, "storage", "tmp")), [])
    assert.deepStrictEqual(readdirSync(join(farm.folder, "work")), [])
    const workers = processesOf(farm.folder).filter(({ command }) => /ffmpeg|worker\.ts/.test(command))
    assert.deepStrictEqual(workers, [])
  })
})

const bytesOf = async (answer: IncomingMessage) => {
  const chunks: Array<Buffer> = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

describe("a source that comes slowly", () => {
  /** In three segments; large enough for its encoding to begin early, and with its index in front. */
  const film = () => join(farm.folder, "slow.mp4")
  const slowFrames = 180
  const noisy = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -crf 8 -g 250 -c:a aac -movflags +faststart"

  let server: Server
  let worker: Program
  /** Sends what is left of the next source. */
  let finish: (rest: Buffer, response: ServerResponse) => void
  /** Which part of it is another byte at first. */
  let spoiledAt: number | null
  /** What was asked of it, in order. */
  let given: Array<string> = []
  let attemptsBefore = new Set<string>()

  const firstSegmentsAreThere = () => leases().some((lease) => !attemptsBefore.has(lease) && partsOf(lease) >= 4)

  const giveSource = async (answer: IncomingMessage, response: ServerResponse) => {
    const bytes = await bytesOf(answer)
    given.push(answer.headers["content-range"] ?? "all")
    if (given.length > 1) return response.end(bytes)
    if (spoiledAt !== null) bytes[Math.round(bytes.length * spoiledAt)]! ^= 1
    const share = Math.round(bytes.length * 0.8)
    response.write(bytes.subarray(0, share))
    await until("the first segments of pictures and sound are there", firstSegmentsAreThere, {
      within: 60_000,
      details: () => worker.output()
    })
    finish(bytes.subarray(share), response)
  }

  /** Stands between the worker and the API. */
  const pass = (asked: IncomingMessage, response: ServerResponse) => {
    const { headers, method, url } = asked
    const passed = request(`${farm.address}${url}`, { method: method!, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      if (url!.includes("/worker/source/")) void giveSource(answer, response)
      else answer.pipe(response)
    })
    passed.on("error", () => response.destroy())
    asked.pipe(passed)
  }

  const uploadSlow = (name: string, end: typeof finish, spoiled: number | null = null) => {
    finish = end
    spoiledAt = spoiled
    given = []
    attemptsBefore = new Set(leases())
    return farm.upload(film(), name)
  }

  beforeAll(async () => {
    await ffmpegWith(
      `-f lavfi -i testsrc2=s=426x240:r=15:d=12,noise=alls=40:allf=t -f lavfi -i sine=f=440:r=48000:d=12 ${noisy}`,
      film()
    )
    server = await new Promise<Server>((done) => {
      const server = createServer(pass).listen(0, "127.0.0.1", () => done(server))
    })
    worker = (await startWorker(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)).program
  })

  afterAll(() => {
    worker.kill("SIGKILL")
    server.closeAllConnections()
    server.close()
  })

  const read = (slug: string) => readHls(`${farm.address}/videos/${slug}/master.m3u8`, join(farm.folder, slug))

  /** As what one attempt made of it, which is there. */
  const isAsItWouldBe = async (slug: string) => {
    const [found, clean] = await Promise.all([read(slug), read("slow")])
    for (const [position, variant] of found.video.entries()) {
      const shown = await watch(variant.path)
      assert.strictEqual(shown.complaints, "")
      assert.strictEqual(shown.frames, slowFrames)
      const spans = (parts: typeof variant.segments) => Promise.all(parts.map((part) => spanOf(part, "v:0")))
      assert.deepStrictEqual(await spans(variant.segments), await spans(clean.video[position]!.segments))
    }
  }

  it("is encoded and sent before all of it is there, and goes on where its connection broke", async () => {
    const slug = await uploadSlow("slow", (_, response) => response.destroy())
    await farm.published(slug, worker)
    assert.lengthOf(given, 2)
    assert.match(given[1]!, /^bytes [1-9]/)
    assert.strictEqual(slug, "slow")
    for (const variant of (await read(slug)).video) {
      const shown = await watch(variant.path)
      assert.strictEqual(shown.complaints, "")
      assert.strictEqual(shown.frames, slowFrames)
    }
  })

  it("is not published where it was spoiled on its way, and nobody goes on with what was made of that", async () => {
    const slug = await uploadSlow("spoiled", (rest, response) => response.end(rest), 0.1)
    await farm.published(slug, worker)
    assert.lengthOf(given, 2)
    assert.include(worker.output(), "The source arrived with")
    assert.match(worker.output(), /"planned".*"resumedSegments":0.*"attempt":2/)
    await isAsItWouldBe(slug)
  })

  it("is gone on with by another worker when the first dies before all of it is there", async () => {
    const slug = await uploadSlow("orphaned", (_, response) => {
      worker.kill("SIGKILL")
      response.destroy()
    })
    await worker.ended
    const second = await startWorker()
    await farm.published(slug, second.program)
    const resumed = Number(/"resumedSegments":(\d+)/.exec(second.program.output())?.[1])
    assert.isAtLeast(resumed, 1)
    assert.strictEqual(await second.encoded(), slowFrames - resumed * segment)
    second.program.kill("SIGKILL")
    await isAsItWouldBe(slug)
  })
})
