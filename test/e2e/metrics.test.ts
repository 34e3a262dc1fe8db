/** What the real programs count, after a film went through all of them. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { documentedMetrics, metricsIn, queries, rules } from "../k8s/support/monitoring.ts"
import { libpq } from "../support/backup.ts"
import { startCollector } from "../support/collector.ts"
import { hasPromtool, metricNames, promtool, withoutPromtool } from "../support/exposition.ts"
import { ffmpegWith } from "../support/media.ts"
import { freePort, start } from "../support/programs.ts"
import { type Farm, makeFarm } from "./farm.ts"

const programs = ["api", "worker", "cleanup", "backup"] as const
let farm: Farm
let collector: Awaited<ReturnType<typeof startCollector>>
/** By program, in Prometheus' text format. */
const outputs: Record<string, string> = {}

const textOf = async (address: string) => (await fetch(address)).text()

beforeAll(async () => {
  collector = await startCollector()
  const telemetry = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.address,
    OTEL_TRACES_EXPORTER: "none",
    OTEL_METRIC_EXPORT_INTERVAL: "500"
  }
  farm = await makeFarm(telemetry)
  const { api, folder } = farm
  const film = join(folder, "film.mp4")
  await ffmpegWith("-f lavfi -i testsrc2=s=320x180:r=25:d=2 -c:v libx264 -preset ultrafast -g 50", film)
  await farm.upload(film, "film")
  const healthPort = await freePort()
  const worker = farm.startWorker({ VLOG_WORKER_HEALTH_PORT: String(healthPort), VLOG_HWACCEL_TYPE: "none" })
  await worker.said('"completed"', { within: 120_000 })
  outputs["worker"] = await textOf(`http://127.0.0.1:${healthPort}/metrics`)
  outputs["api"] = await textOf(`${farm.address}/metrics`)
  const commands = [
    start("cleanup", [], { ...farm.storage, VLOG_CLEANUP_METRICS_FILE: join(folder, "cleanup.prom") }),
    start("backup", [], {
      ...libpq(farm.database),
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
  await farm.stop()
  await collector.stop()
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
