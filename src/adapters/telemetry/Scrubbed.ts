/** The last look at spans before they leave: no secret leaves with them. */
import type { Attributes, AttributeValue } from "@opentelemetry/api"
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base"

/** Wherever they turn up: in an address, in what a program wrote, in the text of an error. */
const secrets: ReadonlyArray<readonly [RegExp, string]> = [
  // A name and a password before the host.
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@?#]+@/gi, "$1REDACTED@"],
  // What a query says is a matter between the two who speak: it may be a signature.
  [/\b((?:https?|s3):\/\/[^\s?#"']*)\?[^\s#"']*/gi, "$1?REDACTED"],
  [/\bvlogw_[A-Za-z0-9_-]+/g, "REDACTED"],
  [/\b(bearer|basic)\s+[\w.~+/=-]+/gi, "$1 REDACTED"],
  [
    /\b(password|passwd|secret|token|api[-_]?key|x-admin-secret|x-worker-api-key)(["']?\s*[=:]\s*["']?)[^\s"',;&]+/gi,
    "$1$2REDACTED"
  ]
]

/** Something of this is in every text that one of `secrets` matches, and in few others: one look instead of five. */
const suspicious = /:\/\/|vlogw_|bearer|basic|passw|secret|token|key/i

const scrubText = (text: string): string =>
  suspicious.test(text)
    ? secrets.reduce((scrubbed, [pattern, instead]) => scrubbed.replace(pattern, instead), text)
    : text

const scrubValue = (value: AttributeValue | undefined): AttributeValue | undefined => {
  if (typeof value === "string") return scrubText(value)
  return Array.isArray(value)
    ? (value as ReadonlyArray<string>).map((one) => (typeof one === "string" ? scrubText(one) : one))
    : value
}

/** Never wanted: the path says which thing was asked for, and headers are not recorded. */
const unwanted: ReadonlySet<string> = new Set(["url.query"])

const scrubAttributes = (attributes: Attributes): Attributes =>
  Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) => (unwanted.has(name) ? [] : [[name, scrubValue(value)]]))
  )

const scrubbed = (span: ReadableSpan): ReadableSpan =>
  Object.create(span, {
    attributes: { value: scrubAttributes(span.attributes) },
    events: {
      value: span.events.map((event) => ({
        ...event,
        name: scrubText(event.name),
        ...(event.attributes === undefined ? {} : { attributes: scrubAttributes(event.attributes) })
      }))
    },
    status: {
      value:
        span.status.message === undefined ? span.status : { ...span.status, message: scrubText(span.status.message) }
    }
  }) as ReadableSpan

export const scrubbing = (exporter: SpanExporter): SpanExporter => ({
  export: (spans, done) => exporter.export(spans.map(scrubbed), done),
  shutdown: () => exporter.shutdown(),
  forceFlush: async () => exporter.forceFlush?.()
})
