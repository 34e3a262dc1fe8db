/** Our worker, as an operator runs it, at a server of VLog. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as HLS from "hls-parser"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { countFrames, ffmpegWith, packetsOf } from "../support/media.ts"
import { start, stopAll, until } from "../support/programs.ts"
import { startVlogServer, type VlogServer, vlogKey } from "../support/vlogServer.ts"

let folder: string
let source: Buffer

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-theirs-"))
  const film = join(folder, "film.mp4")
  await ffmpegWith(
    "-f lavfi -i testsrc2=s=854x480:r=25:d=6 -f lavfi -i sine=440:d=6 -c:v libx264 -preset ultrafast -c:a aac",
    film
  )
  source = await readFile(film)
})

afterAll(async () => {
  await stopAll()
  await rm(folder, { recursive: true, force: true })
})

const startWorker = (server: VlogServer) =>
  start("worker", [], {
    VLOG_WORKER_API_URL: server.address,
    VLOG_WORKER_API_KEY: vlogKey,
    VLOG_WORKER_WORK_DIR: join(folder, "work"),
    VLOG_WORKER_HEALTH_PORT: "off",
    VLOG_WORKER_POLL_INTERVAL: "0.2",
    VLOG_WORKER_PROGRESS_INTERVAL: "0.2"
  })

describe("a worker at VLog's own server", () => {
  it("delivers renditions with their sound, playlists and a picture, through busy answers and a lost one", async () => {
    const server = await startVlogServer(source)
    // It counts requests, and does not say when the next one may come.
    server.next("/segment/480p/", { status: 429, body: { detail: "Rate limit exceeded", error: "300 per 1 minute" } })
    server.next("/7/complete", { status: 500, body: "Internal Server Error" })
    const worker = startWorker(server)
    await until("it is complete", () => server.completed() !== undefined, { within: 120_000, details: worker.output })
    worker.kill("SIGTERM")
    await worker.ended

    assert.deepStrictEqual(server.wrong, [])
    assert.isUndefined(server.failed())
    const { completion_token: token, ...completed } = server.completed()!
    assert.match(token, /^7-/)
    assert.deepInclude(completed, { duration: 6, streaming_format: "cmaf", streaming_codec: "h264" })
    assert.deepStrictEqual(
      completed["qualities"].map((quality: Record<string, unknown>) => [quality["name"], quality["width"]]),
      [
        ["480p", 854],
        ["360p", 640]
      ]
    )
    assert.deepInclude(server.progress.at(-1), { duration: 6, source_width: 854, source_height: 480 })
    assert.strictEqual(server.files.get("thumbnail.jpg")?.readUInt16BE(0), 0xffd8)
    assert.include(server.files.get("manifest.mpd")?.toString(), "seg_$Number%05d$.m4s")

    for (const [name, bytes] of server.files) {
      await mkdir(dirname(join(folder, "out", name)), { recursive: true })
      await writeFile(join(folder, "out", name), bytes)
    }
    const master = HLS.parse(server.files.get("master.m3u8")!.toString()) as HLS.types.MasterPlaylist
    assert.deepStrictEqual(
      master.variants.map(({ codecs, uri }) => [uri, codecs?.replace(/avc1\.\w+/, "avc1")]),
      [
        ["480p/stream.m3u8", "avc1,mp4a.40.2"],
        ["360p/stream.m3u8", "avc1,mp4a.40.2"]
      ]
    )
    for (const { uri } of master.variants) {
      const path = join(folder, "out", uri)
      assert.strictEqual(await countFrames(path), 150)
      const sound = await packetsOf(path, "a:0")
      const last = sound.at(-1)!
      assert.approximately(last.time + last.duration - sound[0]!.time, 6, 0.1)
    }
    const order = server.calls.filter((call) => call.includes("/upload/") || call.includes("/complete"))
    assert.isBelow(
      order.findLastIndex((call) => call.endsWith("480p/stream.m3u8")),
      order.findIndex((call) => call.endsWith("/42/finalize")),
      "playlists before the master"
    )
    assert.isAtLeast(order.filter((call) => call.endsWith("/complete")).length, 2, "asked again with another token")
    server.close()
  }, 180_000)

  it("stops at once when the claim is gone, and says nothing more about it", async () => {
    const server = await startVlogServer(source)
    const worker = startWorker(server)
    await until("it works on the task", () => server.progress.length > 0, { within: 60_000, details: worker.output })
    server.takeAway()
    await worker.said("lease lost, task abandoned")
    assert.isUndefined(server.failed())
    worker.kill("SIGTERM")
    assert.strictEqual((await worker.ended).code, 0)
    server.close()
  }, 120_000)
})
