/** Where a span belongs, in the words of W3C's Trace Context: text that is stored with a job and handed to a worker. */
import { Context, Effect, Option, Schema, Tracer } from "effect"
import type { LeaseId } from "../ids.ts"

const shape = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

export const Traceparent = Schema.String.pipe(Schema.check(Schema.isPattern(shape)))

export const TraceContext = Schema.Struct({
  traceparent: Traceparent,
  /** What other systems on the way want to have handed on. */
  tracestate: Schema.NullOr(Schema.String)
})
export interface TraceContext extends Schema.Schema.Type<typeof TraceContext> {}

/** What the request in hand brought for others. */
export const Tracestate = Context.Reference<string | null>("vlog/domain/telemetry/TraceContext/Tracestate", {
  defaultValue: () => null
})

const format = (span: { readonly traceId: string; readonly spanId: string; readonly sampled: boolean }): string =>
  `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`

/** The span that the program is in; null where nothing is traced. */
export const currentTrace: Effect.Effect<TraceContext | null> = Effect.gen(function* () {
  const span = yield* Effect.option(Effect.currentSpan)
  if (Option.isNone(span)) return null
  const traceparent = format(span.value)
  return shape.test(traceparent) ? { traceparent, tracestate: yield* Tracestate } : null
})

/** The span that a context names, as a parent for others. */
export const spanOf = ({ traceparent }: Pick<TraceContext, "traceparent">): Tracer.ExternalSpan => {
  const [, traceId = "", spanId = "", flags = "00"] = shape.exec(traceparent) ?? []
  return Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 })
}

/**
 * An attempt's span has the second half of its lease for an id. So the worker, the API and the cleanup know it without
 * asking each other, and whichever of them sees the attempt end can tell of it: a killed worker never could.
 */
export const attemptSpanId = (lease: LeaseId): string => lease.replaceAll("-", "").slice(16)

export const attemptTrace = (trace: TraceContext, lease: LeaseId): TraceContext => {
  const { sampled, traceId } = spanOf(trace)
  return { ...trace, traceparent: format({ traceId, sampled, spanId: attemptSpanId(lease) }) }
}
