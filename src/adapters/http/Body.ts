/** Bodies from outside: bounded, and only as long as they keep coming. */
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

/** Fails when nothing comes for a while, and when hardly anything does. */
const steady = <E>(body: Stream.Stream<Uint8Array, E>, wait: Duration.Duration) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      let since = clock.currentTimeMillisUnsafe()
      let bytes = 0
      return body.pipe(
        Stream.timeoutOrElse({ duration: wait, orElse: () => Stream.fail(new BodyRefused({ reason: "stalled" })) }),
        Stream.tap((chunk) => {
          bytes += chunk.length
          const now = clock.currentTimeMillisUnsafe()
          if (now - since < Duration.toMillis(wait)) return Effect.void
          if (bytes < leastBytes) return Effect.fail(new BodyRefused({ reason: "stalled" }))
          since = now
          bytes = 0
          return Effect.void
        })
      )
    })
  )

/** Counts what arrives, since a length may lie or be missing. */
const counted = <E>(body: Stream.Stream<Uint8Array, E>, maxBytes: number) =>
  Stream.unwrap(
    Effect.sync(() => {
      let bytes = 0
      return Stream.tap(body, (chunk) => {
        bytes += chunk.length
        return bytes > maxBytes ? Effect.fail(new BodyRefused({ reason: "too-large" })) : Effect.void
      })
    })
  )

export const announcedBytes = (request: HttpServerRequest.HttpServerRequest): number =>
  Number(request.headers["content-length"] ?? 0)

export const requestBody = (
  request: HttpServerRequest.HttpServerRequest,
  options: { readonly maxBytes: number; readonly patience?: Duration.Duration }
): Stream.Stream<Uint8Array, BodyRefused> =>
  announcedBytes(request) > options.maxBytes
    ? Stream.fail(new BodyRefused({ reason: "too-large" }))
    : request.stream.pipe(
        Stream.mapError(() => new BodyRefused({ reason: "broken" })),
        (body) => steady(body, options.patience ?? patience),
        (body) => counted(body, options.maxBytes)
      )
