/** A collector that takes connections and answers nothing delays no work, and keeps no program from ending. */
import { createServer } from "node:http"
import { type AddressInfo } from "node:net"
import { afterAll, assert, beforeAll, it } from "vitest"
import { start, until } from "../support/programs.ts"
import { makeFarm, type Farm } from "./farm.ts"

/** By path: what was asked. None is ever answered. */
const asked: Array<string> = []
const collector = createServer((request) => void asked.push(request.url ?? ""))
let farm: Farm

beforeAll(async () => {
  await new Promise<void>((done) => collector.listen(0, "127.0.0.1", done))
  farm = await makeFarm({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    OTEL_LOGS_EXPORTER: "otlp",
    // Whoever waits for an answer waits longer than this test does.
    OTEL_EXPORTER_OTLP_TIMEOUT: "600000",
    OTEL_BSP_SCHEDULE_DELAY: "100",
    OTEL_METRIC_EXPORT_INTERVAL: "100",
    OTEL_BLRP_SCHEDULE_DELAY: "100"
  })
})

afterAll(async () => {
  await farm.stop()
  collector.closeAllConnections()
  await new Promise((done) => collector.close(done))
})

const signals = ["/v1/traces", "/v1/metrics", "/v1/logs"]

it("a service answers and ends as if nothing were wrong", async () => {
  const { api, asAdmin } = farm
  const { workers } = await asAdmin<{ workers: ReadonlyArray<unknown> }>("/api/workers")
  assert.lengthOf(workers, 1)
  await until("all signals were sent", () => signals.every((signal) => asked.includes(signal)))
  await asAdmin("/api/workers")
  api.kill("SIGTERM")
  assert.strictEqual((await api.ended).code, 0, api.output())
})

it("a command does its work and ends", async () => {
  asked.length = 0
  const cleanup = start("cleanup", [], farm.storage)
  assert.strictEqual((await cleanup.ended).code, 0, cleanup.output())
  assert.include(cleanup.output(), "tasks: 0 back in the queue")
  assert.includeMembers(asked, ["/v1/traces", "/v1/metrics"])
})
