/**
 * What is told of the uploads of an attempt. A long film has ten thousand of them: together one span, and a few by
 * themselves.
 */
import { Clock, Effect, Metric } from "effect"
import { bytesUploaded, uploadSeconds } from "../workers/Metrics.ts"
import { recordSpan } from "./PastSpan.ts"

/** The first, and then one in so many, has a span of its own, with what the API did for it. */
const oneIn = 100

export const makeUploads = Effect.sync(() => {
  let begun = 0
  let done = 0
  let bytes = 0
  let busy = 0
  let slowest = 0
  let firstAt = 0
  let lastAt = 0

  const track = <A, E, R>(size: number, upload: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.gen(function* () {
      const shown = begun % oneIn === 0
      begun += 1
      const startedAt = yield* Clock.currentTimeMillis
      if (firstAt === 0) firstAt = startedAt
      const answer = yield* shown ? Effect.withSpan(upload, "upload.file") : Effect.withTracerEnabled(upload, false)
      lastAt = yield* Clock.currentTimeMillis
      const seconds = (lastAt - startedAt) / 1000
      done += 1
      bytes += size
      busy += seconds
      slowest = Math.max(slowest, seconds)
      yield* Metric.update(bytesUploaded, size)
      yield* Metric.update(uploadSeconds, seconds)
      return answer
    })

  /** One span for all of them, below the span in hand. */
  const record = Effect.suspend(() =>
    begun === 0
      ? Effect.void
      : recordSpan("upload", {
          startedAt: firstAt,
          endedAt: Math.max(firstAt, lastAt),
          attributes: {
            "vlog.upload.files": done,
            "vlog.upload.unfinished": begun - done,
            "vlog.upload.bytes": bytes,
            "vlog.upload.busy_seconds": busy,
            "vlog.upload.slowest_seconds": slowest
          }
        })
  )

  return { track, record }
})
