/** What leaves this process of its spans, and when. */
import { ROOT_CONTEXT, trace } from "@opentelemetry/api"
import { InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node"
import { afterEach, assert, describe, it } from "vitest"
import { scrubbing } from "../../../src/adapters/telemetry/Scrubbed.ts"
import { WholeTrees } from "../../../src/adapters/telemetry/WholeTrees.ts"

const exporter = new InMemorySpanExporter()
const provider = new NodeTracerProvider({
  spanProcessors: [new WholeTrees(new SimpleSpanProcessor(scrubbing(exporter)))]
})
const tracer = provider.getTracer("test")
const begin = (name: string, parent?: ReturnType<typeof tracer.startSpan>) =>
  tracer.startSpan(name, {}, parent === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, parent))
const sent = () => exporter.getFinishedSpans().map(({ name }) => name)

afterEach(() => exporter.reset())

describe("a tree of spans", () => {
  it("leaves as a whole, when its root is over: a process that is killed leaves no orphans", () => {
    const root = begin("root")
    const step = begin("step", root)
    begin("call", step).end()
    step.end()
    assert.deepStrictEqual(sent(), [])
    root.end()
    assert.sameMembers(sent(), ["root", "step", "call"])
  })

  it("keeps what is over although its own parent still runs, and sends it with the root", () => {
    const root = begin("root")
    const step = begin("step", root)
    begin("call", step).end()
    root.end()
    assert.deepStrictEqual(sent(), ["root", "call"])
    step.end()
    assert.deepStrictEqual(sent(), ["root", "call", "step"])
  })

  it("that another process began leaves with its first span here", () => {
    const remote = trace.setSpanContext(ROOT_CONTEXT, {
      traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
      spanId: "00f067aa0ba902b7",
      traceFlags: 1,
      isRemote: true
    })
    tracer.startSpan("step of an attempt", {}, remote).end()
    assert.deepStrictEqual(sent(), ["step of an attempt"])
  })

  it("lets its oldest go early rather than grow without end", () => {
    const root = begin("root")
    for (let n = 0; n < 2_001; n++) begin(`call ${n}`, root).end()
    assert.deepStrictEqual(sent(), ["call 0"])
    root.end()
    assert.strictEqual(sent().length, 2_002)
  })
})

describe("secrets", () => {
  it.each([
    ["postgres://vlog:swordfish@db:5432/vlog", "postgres://REDACTED@db:5432/vlog"],
    ["GET https://bucket.test/a.mp4?X-Amz-Signature=swordfish&x=1", "GET https://bucket.test/a.mp4?REDACTED"],
    ["the key vlogw_swordfish_1 is wrong", "the key REDACTED is wrong"],
    ["vloga_swordfish_1 and vlogr_swordfish_1 are wrong", "REDACTED and REDACTED are wrong"],
    ["authorization: Bearer swordfish.abc", "authorization: Bearer REDACTED"],
    ['{"password": "swordfish"}', '{"password": "REDACTED"}'],
    ["X-Admin-Secret: swordfish", "X-Admin-Secret: REDACTED"],
    ["frame=12 fps=25 speed=1.5x", "frame=12 fps=25 speed=1.5x"]
  ])("%s", (said, shown) => {
    const span = begin("one")
    span.setAttribute("said", said)
    span.setAttribute("said.twice", [said, said])
    span.setAttribute("url.query", "token=swordfish")
    span.addEvent("exception", { "exception.message": said })
    span.setStatus({ code: 2, message: said })
    span.end()
    const [one] = exporter.getFinishedSpans()
    assert.deepStrictEqual(one!.attributes, { said: shown, "said.twice": [shown, shown] })
    assert.deepStrictEqual(one!.events[0]!.attributes, { "exception.message": shown })
    assert.strictEqual(one!.status.message, shown)
    assert.notInclude(JSON.stringify([one!.attributes, one!.events, one!.status]), "swordfish")
  })
})
