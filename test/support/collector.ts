/** An OTLP collector that keeps what it gets, as the programs send it: JSON over HTTP. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

interface Value {
  readonly stringValue?: string
  readonly intValue?: string | number
  readonly doubleValue?: number
  readonly boolValue?: boolean
  readonly arrayValue?: { readonly values?: ReadonlyArray<Value> }
}

type Attributes = ReadonlyArray<{ readonly key: string; readonly value: Value }>

interface WireSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: Attributes
  readonly status: { readonly code?: number; readonly message?: string }
  readonly links?: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>
}

interface Body {
  readonly resourceSpans?: ReadonlyArray<{
    readonly resource: { readonly attributes: Attributes }
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<WireSpan> }>
  }>
  readonly resourceMetrics?: ReadonlyArray<{
    readonly resource: { readonly attributes: Attributes }
    readonly scopeMetrics: ReadonlyArray<{ readonly metrics: ReadonlyArray<{ readonly name: string }> }>
  }>
  readonly resourceLogs?: ReadonlyArray<unknown>
}

export interface Span {
  readonly service: string
  readonly resource: Readonly<Record<string, unknown>>
  readonly trace: string
  readonly id: string
  readonly parent: string | null
  readonly name: string
  readonly kind: "internal" | "server" | "client" | "producer" | "consumer"
  /** Milliseconds since 1970. */
  readonly start: number
  readonly end: number
  readonly failed: boolean
  readonly attributes: Readonly<Record<string, unknown>>
  readonly links: ReadonlyArray<string>
}

const kinds = ["internal", "internal", "server", "client", "producer", "consumer"] as const

const valueOf = (value: Value): unknown =>
  value.stringValue ??
  value.doubleValue ??
  value.boolValue ??
  value.arrayValue?.values?.map(valueOf) ??
  (value.intValue === undefined ? undefined : Number(value.intValue))

const attributesOf = (attributes: Attributes) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]))

const millis = (nanos: string) => Number(BigInt(nanos) / 1000n) / 1000

export const startCollector = async () => {
  const spans: Array<Span> = []
  const metrics = new Map<string, Set<string>>()
  const bodies: Array<string> = []
  const server = createServer(async (request, response) => {
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    bodies.push(text)
    const body = JSON.parse(text) as Body
    for (const { resource, scopeSpans } of body.resourceSpans ?? []) {
      const described = attributesOf(resource.attributes)
      for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
        spans.push({
          service: String(described["service.name"]),
          resource: described,
          trace: span.traceId,
          id: span.spanId,
          parent: span.parentSpanId === undefined || span.parentSpanId === "" ? null : span.parentSpanId,
          name: span.name,
          kind: kinds[span.kind] ?? "internal",
          start: millis(span.startTimeUnixNano),
          end: millis(span.endTimeUnixNano),
          failed: span.status.code === 2,
          attributes: attributesOf(span.attributes),
          links: (span.links ?? []).map(({ spanId }) => spanId)
        })
      }
    }
    for (const { resource, scopeMetrics } of body.resourceMetrics ?? []) {
      const service = String(attributesOf(resource.attributes)["service.name"])
      const names = metrics.get(service) ?? new Set()
      for (const { name } of scopeMetrics.flatMap(({ metrics }) => metrics)) names.add(name)
      metrics.set(service, names)
    }
    response.writeHead(200, { "content-type": "application/json" }).end("{}")
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    /** Names by service. */
    metrics,
    /** Everything that came, as it came. */
    bodies,
    stop: () =>
      new Promise<void>((done) => {
        server.closeAllConnections()
        server.close(() => done())
      })
  }
}
