/** One trace follows a job from its upload to its publication, through a worker that is killed on the way. */
import { join } from "node:path"
import { Redacted } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { type Span, startCollector } from "../support/collector.ts"
import { ffmpegWith } from "../support/media.ts"
import { type Program, until } from "../support/programs.ts"
import { type Farm, makeFarm } from "./farm.ts"

let farm: Farm
let collector: Awaited<ReturnType<typeof startCollector>>
let job: ReadonlyArray<Span>
let killed: Program

const callers = "4bf92f3577b34da6a3ce929d0e0e4736"
const callersSpan = "00f067aa0ba902b7"

beforeAll(async () => {
  collector = await startCollector()
  farm = await makeFarm({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.address,
    OTEL_BSP_SCHEDULE_DELAY: "200",
    OTEL_METRIC_EXPORT_INTERVAL: "500",
    POD_NAME: "a-pod",
    NODE_NAME: "a-node"
  })
  const { api } = farm
  const startWorker = (name: string) =>
    farm.startWorker({
      VLOG_WORKER_WORK_DIR: join(farm.folder, name),
      VLOG_WORKER_PROGRESS_INTERVAL: "1",
      VLOG_WORKER_LEASE_SECONDS: "5",
      VLOG_HWACCEL_TYPE: "none"
    })

  const film = join(farm.folder, "film.mp4")
  await ffmpegWith("-f lavfi -i testsrc2=s=640x360:r=25:d=12 -c:v libx264 -preset ultrafast -g 50", film)
  const slug = await farm.upload(film, "A+film", {
    traceparent: `00-${callers}-${callersSpan}-01`,
    tracestate: "shop=cart42"
  })

  killed = startWorker("first")
  await killed.said('"planned"', { within: 120_000 })
  await until("it has told of its first steps", () => named("probe").length > 0, { within: 60_000 })
  killed.kill("SIGKILL")
  await killed.ended

  const second = startWorker("second")
  await farm.published(slug, second)
  await until("both attempts are told of", () => named("attempt").length === 2, { within: 20_000 })
  second.kill("SIGTERM")
  assert.strictEqual((await second.ended).code, 0, second.output())
  api.kill("SIGTERM")
  assert.strictEqual((await api.ended).code, 0, api.output())
  job = collector.spans.filter(({ trace }) => trace === callers)
})

afterAll(async () => {
  await farm.stop()
  await collector.stop()
})

const named = (name: string) => collector.spans.filter((span) => span.trace === callers && span.name === name)
const childrenOf = (parent: Span) => job.filter((span) => span.parent === parent.id)
const below = (parent: Span): ReadonlyArray<Span> => childrenOf(parent).flatMap((span) => [span, ...below(span)])
const byStart = (a: Span, b: Span) => a.start - b.start
/** Clocks of a database and of programs on one machine tell the same time, to a hair. */
const hair = 50

const within = (inner: Span, outer: Span) => {
  assert.isAtLeast(inner.start, outer.start - hair, `${inner.name} begins before ${outer.name}`)
  assert.isAtMost(inner.end, outer.end + hair, `${inner.name} ends after ${outer.name}`)
}

describe("the trace of a job", () => {
  it("has every span hang on one that came, and one root: the span of whoever uploaded", () => {
    const ids = new Set(job.map(({ id }) => id))
    assert.strictEqual(ids.size, job.length, "no span came twice")
    const orphans = job.filter(({ parent }) => parent !== callersSpan && (parent === null || !ids.has(parent)))
    assert.deepStrictEqual(
      orphans.map(({ name, service }) => `${service}: ${name}`),
      []
    )
    assert.deepStrictEqual(
      job.filter(({ parent }) => parent === callersSpan).map(({ name }) => name),
      ["POST /api/videos"]
    )
  })

  it("has both attempts below what queued the job, the second with a link to the first", () => {
    const [enqueue, ...more] = named("enqueue")
    assert.deepStrictEqual(more, [])
    assert.strictEqual(enqueue!.kind, "producer")
    const [first, second] = named("attempt").toSorted(byStart)
    for (const attempt of [first!, second!]) assert.strictEqual(attempt.parent, enqueue!.id)
    assert.strictEqual(first!.attributes["vlog.attempt.outcome"], "expired")
    assert.isTrue(first!.failed)
    assert.strictEqual(second!.attributes["vlog.attempt.outcome"], "done")
    assert.isFalse(second!.failed)
    assert.deepStrictEqual(second!.links, [first!.id])
    const claims = named("claim")
    assert.strictEqual(claims.length, 2)
    for (const claim of claims) {
      assert.strictEqual(claim.kind, "consumer")
      assert.approximately(
        claim.attributes["vlog.task.waited_seconds"] as number,
        (claim.end - claim.start) / 1000,
        0.002
      )
    }
  })

  it("has what the killed worker had finished, and all steps of the other, in order and within the attempt", () => {
    const [first, second] = named("attempt").toSorted(byStart)
    const fromWorker = (attempt: Span) =>
      childrenOf(attempt)
        .filter(({ service }) => service === "vlog-worker")
        .toSorted(byStart)
    assert.includeMembers(
      fromWorker(first!).map(({ name }) => name),
      ["download", "probe"]
    )
    const steps = fromWorker(second!)
    assert.deepStrictEqual(
      steps.map(({ name }) => name),
      ["Workspace.open", "download", "probe", "encode", "verify", "publish"]
    )
    const publish = steps.at(-1)!
    for (const step of steps.slice(0, -1)) within(step, second!)
    // The database ends the attempt within the request that publishes; the worker hears of it after that.
    within({ ...second!, start: second!.end }, publish)
    const ends = (step: Span) => Math.min(step.end, second!.end)
    const sum = steps.reduce((milliseconds, step) => milliseconds + (ends(step) - step.start), 0)
    assert.isAtMost(sum, second!.end - second!.start + hair, "steps one after the other")
    assert.isAtLeast(sum, 0.8 * (second!.end - second!.start), "nothing that takes time is without a step")
  })

  it("has one span for the plan, one for each rendition, and one for all the uploads", () => {
    const [encode] = named("encode")
    const plans = childrenOf(encode!).filter(({ name }) => name === "plan")
    assert.deepStrictEqual(
      plans.map(({ attributes }) => attributes["vlog.plan.frames"]),
      [300]
    )
    const renditions = childrenOf(encode!).filter(({ name }) => name.startsWith("rendition "))
    assert.isAbove(renditions.length, 0)
    for (const rendition of renditions) {
      within(rendition, encode!)
      assert.strictEqual(rendition.attributes["vlog.rendition.frames"], 300)
      assert.strictEqual(rendition.attributes["vlog.encoder.name"], "libx264")
      assert.isAbove(rendition.attributes["vlog.rendition.bitrate"] as number, 0)
      assert.isAbove(rendition.attributes["vlog.encode.speed"] as number, 0)
    }
    const [upload, ...more] = childrenOf(encode!).filter(({ name }) => name === "upload")
    assert.deepStrictEqual(more, [])
    assert.isAbove(upload!.attributes["vlog.upload.files"] as number, renditions.length * 2)
    assert.strictEqual(childrenOf(encode!).filter(({ name }) => name === "upload.file").length, 1)
  })

  it("has each request below its attempt, linked to the call that made it, and its statements below it", () => {
    const calls = job.filter(({ kind, service }) => kind === "client" && service === "vlog-worker")
    const requests = job.filter(({ kind, links }) => kind === "server" && links.length > 0)
    const attempts = new Set(named("attempt").map(({ id }) => id))
    const finished = calls.filter(({ attributes }) => attributes["http.request.method"] !== undefined)
    assert.isAbove(finished.length, 2)
    for (const call of finished) {
      const answered = requests.filter(({ links }) => links.includes(call.id))
      assert.strictEqual(answered.length, 1, call.name)
      assert.isTrue(attempts.has(answered[0]!.parent!))
      assert.isAtLeast(answered[0]!.start, call.start - hair)
    }
    const statements = job.filter(({ attributes }) => attributes["db.query.text"] !== undefined)
    assert.isAbove(statements.length, 5)
    const servers = job.filter(({ kind }) => kind === "server")
    const underRequests = new Set(servers.flatMap(below).map(({ id }) => id))
    for (const statement of statements) {
      assert.isTrue(underRequests.has(statement.id), statement.name)
      assert.strictEqual(statement.attributes["db.system.name"], "postgresql")
      assert.strictEqual(statement.kind, "client")
    }
    for (const request of servers) {
      assert.match(request.name, /^(GET|POST) \/api\//)
      assert.isNumber(request.attributes["http.response.status_code"])
      assert.isString(request.attributes["http.route"])
    }
  })

  it("says which program on which machine", () => {
    for (const { resource, service } of job) {
      assert.match(service, /^vlog-(api|worker)$/)
      assert.strictEqual(resource["k8s.pod.name"], "a-pod")
      assert.isString(resource["service.version"])
      assert.isString(resource["service.instance.id"])
    }
  })

  it("is in the lines of the log", () => {
    const line = killed
      .output()
      .split("\n")
      .find((text) => text.includes('"planned"'))
    const { annotations, trace_id } = JSON.parse(line!) as {
      annotations: Record<string, unknown>
      trace_id: string
    }
    assert.strictEqual(trace_id, callers)
    assert.hasAllKeys(annotations, ["job", "attempt", "lease"])
  })
})

describe("everything that was sent", () => {
  it("holds no secret", () => {
    const sent = collector.bodies.join("\n")
    const password = new URL(Redacted.value(farm.database)).password
    for (const secret of [farm.adminSecret, farm.key, ...(password === "" ? [] : [`:${password}@`])]) {
      assert.isFalse(sent.includes(secret), secret)
    }
    assert.notMatch(sent, /vlogw_|url\.query/)
  })

  it("has no probe, no poll and no heartbeat in it", () => {
    for (const { name } of collector.spans) {
      assert.notMatch(name, /heartbeat|health|metrics|worker\/claim|progress/)
    }
  })

  it("has the metrics of both programs", () => {
    assert.include([...(collector.metrics.get("vlog-api") ?? [])], "vlog_http_requests_total")
    assert.include([...(collector.metrics.get("vlog-worker") ?? [])], "vlog_worker_tasks_total")
  })
})
