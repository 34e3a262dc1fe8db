/** One line for each thing that happened. */
import { Context, type Fiber, Formatter, Logger, Tracer } from "effect"

/** Where spans go nowhere their ids say nothing, and these are no ids. */
const isId = (id: string) => /^[0-9a-f]{16,32}$/.test(id)

const traceOf = (fiber: Fiber.Fiber<unknown, unknown>) => {
  const span = Context.getOrUndefined(fiber.context, Tracer.ParentSpan)
  return span !== undefined && isId(span.traceId) && isId(span.spanId)
    ? { trace_id: span.traceId, span_id: span.spanId }
    : {}
}

const json = Logger.make<unknown, string>((options) =>
  Formatter.formatJson({ ...Logger.formatStructured.log(options), ...traceOf(options.fiber) })
)

/** For machines, on stdout or, where stdout is for results, on stderr. */
export const jsonOnStdout = Logger.withConsoleLog(json)
export const jsonOnStderr = Logger.withConsoleError(json)
