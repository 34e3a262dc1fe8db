/** The last look at spans before they leave: no secret leaves with them. */
import type { Attributes, AttributeValue } from "@opentelemetry/api"
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base"

/** Wherever they turn up: in an address, in what a program wrote, in the text of an error. */
const secrets: ReadonlyArray<readonly [RegExp, string]> = [
  // A name and a password before the host.
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@?#]+@/gi, "$1REDACTED@"],
  // What a query says is a matter between the two who speak: it may be a signature.
  [/\b((?:https?|s3):\/\/[^\s?#"']*)\?[^\s#"']*/gi, "$1?REDACTED"],
  [/\bvlog[war]_[A-Za-z0-9_-]+/g, "REDACTED"],
  [/\b(bearer|basic)\s+[\w.~+/=-]+/gi, "$1 REDACTED"],
  [
    /\b(password|passwd|secret|token|api[-_]?key|x-admin-secret|x-worker-api-key)(["']?\s*[=:]\s*["']?)[^\s"',;&]+/gi,
    "$1$2REDACTED"
  ]
]

/** Something of this is in every text that one of `secrets` matches, and in few others: one look instead of five. */
const suspicious = /:\/\/|vlog[war]_|bearer|basic|passw|secret|token|key/i

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

const scrubAttributes = (attributes: Attributes): void => {
  for (const [name, value] of Object.entries(attributes)) {
    if (unwanted.has(name)) delete attributes[name]
    else if (typeof value !== "number" && typeof value !== "boolean") attributes[name] = scrubValue(value)
  }
}

/** In place: a span that is over is read by its exporter only, and a copy of each would cost more than the look. */
const scrub = (span: ReadableSpan): void => {
  scrubAttributes(span.attributes)
  for (const event of span.events) {
    event.name = scrubText(event.name)
    if (event.attributes !== undefined) scrubAttributes(event.attributes)
  }
  if (span.status.message !== undefined) span.status.message = scrubText(span.status.message)
}

export const scrubbing = (exporter: SpanExporter): SpanExporter => ({
  export: (spans, done) => {
    spans.forEach(scrub)
    exporter.export(spans, done)
  },
  shutdown: () => exporter.shutdown(),
  forceFlush: async () => exporter.forceFlush?.()
})
