/** Bodies from outside: bounded, and only as long as they keep coming. */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Clock, Duration, Effect, Schema, Stream } from "effect"
import type { HttpServerRequest } from "effect/http"

export class BodyRefused extends Schema.TaggedError<BodyRefused>()("BodyRefused", {
  reason: Schema.Literals(["too-large", "stalled", "broken"])
}) {
  override get message() {
    return messages[this.reason]
  }
}

const messages = {
  "too-large": "The body is larger than is taken here",
  stalled: "The body stopped arriving",
  broken: "The upload ended early"
} as const

/** A sender that gives less than this in the time is holding a connection, not uploading. */
const patience = Duration.seconds(30)
const leastBytes = 1024

export const announcedBytes = (request: HttpServerRequest.HttpServerRequest): number =>
  Number(request.headers["content-length"] ?? 0)

interface Bounds {
  readonly maxBytes: number
  readonly patience?: Duration.Duration
}

/**
 * Fails when nothing comes for a while, when hardly anything does, and when too much does: a length may lie or be
 * missing. All in one step a pull, because large bodies have a great many.
 */
const guarded = (request: HttpServerRequest.HttpServerRequest, bounds: Bounds) =>
  Stream.transformPull(
    Stream.mapError(request.stream, () => new BodyRefused({ reason: "broken" })),
    (pull) =>
      Effect.map(Clock.Clock, (clock) => {
        const wait = bounds.patience ?? patience
        const incoming = NodeHttpServerRequest.toIncomingMessage(request)
        const timed = Effect.timeoutOrElse(pull, {
          duration: wait,
          orElse: () => new BodyRefused({ reason: "stalled" })
        })
        let since = clock.currentTimeMillisUnsafe()
        let lately = 0
        let bytes = 0
        // A clock of its own costs more than the pull, which need not wait for what is there already.
        return Effect.flatMap(
          Effect.suspend(() => (incoming.readableLength > 0 ? pull : timed)),
          (chunks) => {
            for (const { length } of chunks) {
              bytes += length
              lately += length
            }
            if (bytes > bounds.maxBytes) return new BodyRefused({ reason: "too-large" })
            const now = clock.currentTimeMillisUnsafe()
            if (now - since >= Duration.toMillis(wait)) {
              if (lately < leastBytes) return new BodyRefused({ reason: "stalled" })
              since = now
              lately = 0
            }
            return Effect.succeed(chunks)
          }
        )
      })
  )

export const requestBody = (
  request: HttpServerRequest.HttpServerRequest,
  bounds: Bounds
): Stream.Stream<Uint8Array, BodyRefused> =>
  announcedBytes(request) > bounds.maxBytes
    ? Stream.fail(new BodyRefused({ reason: "too-large" }))
    : guarded(request, bounds)
