/** Spans of what is over by the time that it is known to have been one thing. */
import { Context, Effect, Exit, Option, References, type Tracer } from "effect"

/** The id that a span is to have. A span has one of its own choice otherwise. */
export const SpanId = Context.Reference<string | undefined>("vlog/domain/telemetry/PastSpan/SpanId", {
  defaultValue: () => undefined
})

export interface PastSpan {
  /** The enclosing span, unless said otherwise. */
  readonly parent?: Tracer.AnySpan
  readonly id?: string
  readonly kind?: Tracer.SpanKind
  readonly links?: ReadonlyArray<Tracer.AnySpan>
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly endedAt: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly failure?: string | undefined
}

/** Attributes without a value are left out. */
export const recordSpan = Effect.fnUntraced(function* (name: string, past: PastSpan) {
  if (!(yield* References.TracerEnabled)) return
  const tracer = yield* Effect.tracer
  const enclosing = yield* Effect.option(Effect.currentParentSpan)
  const parent = past.parent === undefined ? enclosing : Option.some(past.parent)
  const span = tracer.span({
    name,
    parent,
    annotations: past.id === undefined ? Context.empty() : Context.make(SpanId, past.id),
    links: (past.links ?? []).map((span) => ({ span, attributes: {} })),
    startTime: nanos(past.startedAt),
    kind: past.kind ?? "internal",
    root: false,
    sampled: Option.match(parent, { onNone: () => true, onSome: ({ sampled }) => sampled })
  })
  for (const [key, value] of Object.entries(past.attributes)) if (value != null) span.attribute(key, value)
  span.end(
    nanos(Math.max(past.startedAt, past.endedAt)),
    past.failure === undefined ? Exit.void : Exit.fail(past.failure)
  )
})

const nanos = (millis: number) => BigInt(Math.round(millis * 1000)) * 1000n
