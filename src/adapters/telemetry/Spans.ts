/** How Effect's spans become OpenTelemetry's. */
import * as OtelTracer from "@effect/opentelemetry/OtelTracer"
import { RandomIdGenerator } from "@opentelemetry/sdk-trace-base"
import { Cause, Context, Effect, Exit, Layer, Option, Tracer } from "effect"
import { SpanId } from "../../domain/telemetry/PastSpan.ts"

/** Random ids, but for a span that was promised one. */
export class PromisedIds extends RandomIdGenerator {
  promised: string | undefined

  override generateSpanId = (): string => {
    const id = this.promised ?? random.generateSpanId()
    this.promised = undefined
    return id
  }
}

const random = new RandomIdGenerator()

/** The end of what ffmpeg or pg_dump said is where the reason is. */
const mostDetails = 4_000

interface Explained {
  readonly _tag?: unknown
  readonly details?: unknown
  readonly stderrTail?: unknown
}

const explain = (span: Tracer.Span, exit: Exit.Exit<unknown, unknown>) => {
  if (Exit.isSuccess(exit)) return
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (typeof error !== "object" || error === null) return
  const { _tag, details, stderrTail } = error as Explained
  if (typeof _tag === "string") span.attribute("error.type", _tag)
  const said = details ?? stderrTail
  if (typeof said === "string" && said !== "") span.attribute("process.stderr.tail", said.slice(-mostDetails))
}

/**
 * Without the part of the bridge that tells OpenTelemetry's own instrumentation which span it runs in: we use none, and
 * it would cost something at every step of every fiber.
 */
export const tracer = (ids: PromisedIds) =>
  Layer.effect(
    Tracer.Tracer,
    Effect.map(OtelTracer.make, (bridge) =>
      Tracer.make({
        span: (options) => {
          ids.promised = Context.get(options.annotations, SpanId)
          const span = bridge.span(options)
          ids.promised = undefined
          const end = span.end.bind(span)
          return Object.assign(span, {
            end: (time: bigint, exit: Exit.Exit<unknown, unknown>) => {
              explain(span, exit)
              end(time, exit)
            }
          })
        }
      })
    )
  ).pipe(Layer.provide(OtelTracer.layerTracer))
