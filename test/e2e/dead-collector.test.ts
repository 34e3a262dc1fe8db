/** A collector that takes connections and answers nothing delays no work, and keeps no program from ending. */
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:http"
import { type AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { afterAll, assert, beforeAll, it } from "vitest"
import { TestDatabase } from "../support/postgres.ts"
import { freePort, start, stopAll, until } from "../support/programs.ts"

const scope = Scope.makeUnsafe()
/** By path: what was asked. None is ever answered. */
const asked: Array<string> = []
const collector = createServer((request) => void asked.push(request.url ?? ""))
let folder: string
let environment: Record<string, string>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-collector-"))
  const context = await Effect.runPromise(Layer.buildWithScope(TestDatabase.layer, scope))
  await new Promise<void>((done) => collector.listen(0, "127.0.0.1", done))
  environment = {
    VLOG_DATABASE_URL: Redacted.value(Context.get(context, TestDatabase).url),
    VLOG_STORAGE_PATH: join(folder, "storage"),
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    OTEL_LOGS_EXPORTER: "otlp",
    // Whoever waits for an answer waits longer than this test does.
    OTEL_EXPORTER_OTLP_TIMEOUT: "600000",
    OTEL_BSP_SCHEDULE_DELAY: "100",
    OTEL_METRIC_EXPORT_INTERVAL: "100",
    OTEL_BLRP_SCHEDULE_DELAY: "100"
  }
})

afterAll(async () => {
  await stopAll()
  collector.closeAllConnections()
  await new Promise((done) => collector.close(done))
  await Effect.runPromise(Scope.close(scope, Exit.void))
  await rm(folder, { recursive: true, force: true })
})

const signals = ["/v1/traces", "/v1/metrics", "/v1/logs"]

it("a service answers and ends as if nothing were wrong", async () => {
  const port = await freePort()
  const api = start("api", [], {
    ...environment,
    VLOG_WORKER_ADMIN_SECRET: "a secret of more than sixteen letters",
    VLOG_WORKER_API_HOST: "127.0.0.1",
    VLOG_WORKER_API_PORT: String(port)
  })
  await api.said("listening", { within: 60_000 })
  const workers = () =>
    fetch(`http://127.0.0.1:${port}/api/workers`, {
      headers: { "x-admin-secret": "a secret of more than sixteen letters" }
    })
  assert.strictEqual((await workers()).status, 200)
  await until("all signals were sent", () => signals.every((signal) => asked.includes(signal)))
  assert.strictEqual((await workers()).status, 200)
  api.kill("SIGTERM")
  assert.strictEqual((await api.ended).code, 0, api.output())
})

it("a command does its work and ends", async () => {
  asked.length = 0
  const cleanup = start("cleanup", [], environment)
  assert.strictEqual((await cleanup.ended).code, 0, cleanup.output())
  assert.include(cleanup.output(), "tasks: 0 back in the queue")
  assert.includeMembers(asked, ["/v1/traces", "/v1/metrics"])
})
