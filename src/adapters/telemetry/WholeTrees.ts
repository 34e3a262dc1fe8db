/** Exports what hangs below a span of this process only together with that span. */
import type { Context } from "@opentelemetry/api"
import type { ReadableSpan, Span, SpanProcessor } from "@opentelemetry/sdk-trace-base"

/** Of a tree that grows without end the oldest spans are let go early: orphans for a while rather than memory. */
const mostHeld = 2_000

interface Tree {
  readonly root: string
  readonly held: Array<ReadableSpan>
}

/**
 * A process that is killed loses the spans that are not over. Their children, had they been sent, would point to
 * parents that never come. So the tree below each local root (a request, a step of an attempt) is kept until the root
 * is over. What ends after its root goes out at once: the root is out.
 */
export class WholeTrees implements SpanProcessor {
  readonly #next: SpanProcessor
  /** By the id of each span that is not over: the tree that it is in. */
  readonly #open = new Map<string, Tree>()

  constructor(next: SpanProcessor) {
    this.#next = next
  }

  onStart(span: Span, parentContext: Context): void {
    const { spanId } = span.spanContext()
    const enclosing = this.#open.get(span.parentSpanContext?.spanId ?? "")
    this.#open.set(spanId, enclosing ?? { root: spanId, held: [] })
    this.#next.onStart(span, parentContext)
  }

  onEnd(span: ReadableSpan): void {
    const { spanId } = span.spanContext()
    const tree = this.#open.get(spanId)
    this.#open.delete(spanId)
    if (tree !== undefined && this.#open.has(tree.root)) {
      tree.held.push(span)
      if (tree.held.length > mostHeld) this.#next.onEnd(tree.held.shift()!)
      return
    }
    this.#next.onEnd(span)
    for (const held of tree?.held.splice(0) ?? []) this.#next.onEnd(held)
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush()
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown()
  }
}
