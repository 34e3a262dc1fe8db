/** What a kubelet and a person at a terminal see of a worker, while its API is away. */
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { freePort, start, stopAll, until } from "../support/programs.ts"

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-ops-"))
})

afterAll(async () => {
  await stopAll()
  await rm(folder, { recursive: true, force: true })
})

const startWorker = async (env: Readonly<Record<string, string>>) =>
  start("worker", [], {
    VLOG_WORKER_API_URL: `http://127.0.0.1:${await freePort()}`,
    VLOG_WORKER_API_KEY: "a key",
    VLOG_WORKER_WORK_DIR: join(folder, "work"),
    VLOG_HWACCEL_TYPE: "none",
    ...env
  })

describe("a worker whose API is away", () => {
  it("lives, is not ready, says what it can do, and ends with 0 when told to stop", async () => {
    const port = await freePort()
    const worker = await startWorker({ VLOG_WORKER_HEALTH_PORT: String(port) })
    const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`)
    await until("it answers", () =>
      get("/health").then(
        ({ status }) => status === 200,
        () => false
      )
    )
    const ready = async () => {
      const answer = await get("/ready")
      assert.strictEqual(answer.status, 503)
      return (await answer.json()) as { readonly status: string; readonly checks: Record<string, boolean> }
    }
    await until("it has tried its ffmpeg", async () => (await ready()).checks["ffmpeg"] === true)
    assert.deepStrictEqual(await ready(), { status: "not_ready", checks: { ffmpeg: true, api_connected: false } })
    const info = (await (await get("/")).json()) as { readonly encoders: ReadonlyArray<string> }
    assert.include(info.encoders, "libx264")
    assert.include(await (await get("/metrics")).text(), "vlog_worker_api_connected 0")
    worker.kill("SIGTERM")
    assert.deepStrictEqual(await worker.ended, { code: 0, signal: null }, worker.output())
  })

  it("says who has the port that it wants", async () => {
    const port = await freePort()
    const other = createServer().listen(port)
    try {
      const worker = await startWorker({ VLOG_WORKER_HEALTH_PORT: String(port) })
      assert.strictEqual((await worker.ended).code, 1, worker.output())
      assert.include(worker.stderr(), `error: Port ${port} is already in use`)
      assert.include(worker.stderr(), "VLOG_WORKER_HEALTH_PORT")
    } finally {
      other.close()
    }
  })
})
