/** What the real programs count, after a film went through all of them. */
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { documentedMetrics, metricsIn, queries, rules } from "../k8s/support/monitoring.ts"
import { libpq } from "../support/backup.ts"
import { startCollector } from "../support/collector.ts"
import { hasPromtool, metricNames, promtool, withoutPromtool } from "../support/exposition.ts"
import { ffmpegWith } from "../support/media.ts"
import { TestDatabase } from "../support/postgres.ts"
import { freePort, start, stopAll } from "../support/programs.ts"

const adminSecret = "a secret of more than sixteen letters"
const scope = Scope.makeUnsafe()
const programs = ["api", "worker", "cleanup", "backup"] as const
let folder: string
let collector: Awaited<ReturnType<typeof startCollector>>
/** By program, in Prometheus' text format. */
const outputs: Record<string, string> = {}

const textOf = async (address: string) => (await fetch(address)).text()

beforeAll(async () => {
  folder = await mkdtemp("/tmp/vlog-metrics-")
  await chmod(folder, 0o755)
  const context = await Effect.runPromise(Layer.buildWithScope(TestDatabase.layer, scope))
  const { url } = Context.get(context, TestDatabase)
  collector = await startCollector()
  const telemetry = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.address,
    OTEL_TRACES_EXPORTER: "none",
    OTEL_METRIC_EXPORT_INTERVAL: "500"
  }
  const storage = {
    VLOG_DATABASE_URL: Redacted.value(url),
    VLOG_STORAGE_PATH: join(folder, "storage")
  }
  const [port, healthPort] = [await freePort(), await freePort()]
  const address = `http://127.0.0.1:${port}`
  const api = start("api", [], {
    ...storage,
    VLOG_WORKER_ADMIN_SECRET: adminSecret,
    VLOG_WORKER_API_HOST: "127.0.0.1",
    VLOG_WORKER_API_PORT: String(port),
    ...telemetry
  })
  const post = async <A>(path: string, body: string | Buffer<ArrayBuffer>): Promise<A> => {
    const headers = { "x-admin-secret": adminSecret, "content-type": "application/json" }
    const response = await fetch(`${address}${path}`, { method: "POST", body, headers })
    assert.isTrue(response.ok, `${path}: ${response.status}`)
    return (await response.json()) as A
  }
  await api.said("listening", { within: 60_000 })
  const { api_key: key } = await post<{ api_key: string }>("/api/worker/register", '{"worker_name": "one"}')
  const film = join(folder, "film.mp4")
  await ffmpegWith("-f lavfi -i testsrc2=s=320x180:r=25:d=2 -c:v libx264 -preset ultrafast -g 50", film)
  await post("/api/videos?filename=film.mp4", await readFile(film))
  const worker = start("worker", [], {
    VLOG_WORKER_API_URL: address,
    VLOG_WORKER_API_KEY: key,
    VLOG_WORKER_WORK_DIR: join(folder, "work"),
    VLOG_WORKER_HEALTH_PORT: String(healthPort),
    VLOG_HWACCEL_TYPE: "none",
    ...telemetry
  })
  await worker.said('"completed"', { within: 120_000 })
  outputs["worker"] = await textOf(`http://127.0.0.1:${healthPort}/metrics`)
  outputs["api"] = await textOf(`${address}/metrics`)
  const commands = [
    start("cleanup", [], { ...storage, VLOG_CLEANUP_METRICS_FILE: join(folder, "cleanup.prom"), ...telemetry }),
    start("backup", [], {
      ...libpq(url),
      BACKUP_PATH: folder,
      BACKUP_VERIFY_LEVEL: "2",
      BACKUP_METRICS_FILE: join(folder, "backup.prom"),
      ...telemetry
    })
  ]
  for (const command of commands) assert.strictEqual((await command.ended).code, 0, command.output())
  for (const name of ["cleanup", "backup"]) {
    outputs[name] = await readFile(join(folder, `${name}.prom`), "utf8")
  }
  for (const program of [worker, api]) program.kill("SIGTERM")
  for (const program of [worker, api]) assert.strictEqual((await program.ended).code, 0, program.output())
})

afterAll(async () => {
  await stopAll()
  await collector.stop()
  await Effect.runPromise(Scope.close(scope, Exit.void))
  await rm(folder, { recursive: true, force: true })
})

describe.each(programs)("what the %s tells", (program) => {
  it("is as Prometheus wants it", (test) => {
    test.skip(!hasPromtool, withoutPromtool)
    assert.strictEqual(promtool(["check", "metrics"], outputs[program]), "")
  })

  it("reaches a collector as well", () => {
    const sent = collector.metrics.get(`vlog-${program}`) ?? new Set()
    assert.deepStrictEqual(
      metricNames(outputs[program]!).filter((name) => !sent.has(name)),
      []
    )
  })
})

describe("every metric", () => {
  const told = () => new Set(programs.flatMap((program) => metricNames(outputs[program]!)))
  /** Also by the names of a histogram's series. */
  const series = () => {
    const all = Object.values(outputs).join("\n")
    return new Set([...all.matchAll(/^(\w+)(?:\{| )/gm)].map(([, name]) => name!))
  }

  it("that a program tells is documented", () => {
    assert.deepStrictEqual(
      [...told()].filter((name) => !documentedMetrics.includes(name)),
      []
    )
  })

  it("that is documented is told by a program", () => {
    assert.deepStrictEqual(
      documentedMetrics.filter((name) => !told().has(name)),
      []
    )
  })

  it("of an alert or a panel is told by a program", () => {
    const missing = [...rules.map(({ expr }) => expr), ...queries]
      .flatMap(metricsIn)
      .filter((name) => !series().has(name))
    assert.deepStrictEqual([...new Set(missing)], [])
  })
})
