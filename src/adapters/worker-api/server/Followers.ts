/** Who is sent events for as long as they like: how many at once, and that they do not hold up a server that stops. */
import { Context, Deferred, Effect, Layer, Redacted, Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { AccessKeys } from "../../../domain/ports/AccessKeys.ts"
import { adminHeader } from "../contract/Auth.ts"
import { Unavailable } from "../contract/Errors.ts"

/** Of this process. Each costs a connection and what it was last shown. */
const most = 500

/** Before proxies and clients take silence for death. */
const keepAlive = Stream.as(Stream.tick("15 seconds"), ": keep-alive\n\n")

/** A proxy may forget what a connection is for: everybody has to ask again at some time. */
const longest = "1 hour"

/** How long one who had a good key may go on when it is one no more. */
const lookAgainAfter = "15 seconds"

export class Followers extends Context.Service<
  Followers,
  {
    /** Sends the events, each as text, until they end, the client goes, its key is revoked or the server stops. */
    send(
      events: Stream.Stream<string>
    ): Effect.Effect<HttpServerResponse.HttpServerResponse, Unavailable, HttpServerRequest.HttpServerRequest>
    /** Ends all streams; a server that stops waits for its answers. */
    readonly end: Effect.Effect<void>
  }
>()("vlog/adapters/worker-api/server/Followers") {
  static readonly layer = Layer.effect(
    Followers,
    Effect.gen(function* () {
      const keys = yield* AccessKeys
      const ended = yield* Deferred.make<void>()
      let count = 0

      const counted = Effect.acquireRelease(
        Effect.sync(() => void count++),
        () => Effect.sync(() => void count--)
      )

      /** The admin secret is no key, and stays what it is as long as we run. */
      const untilRevoked = Effect.fnUntraced(function* (key: Redacted.Redacted) {
        if (!(yield* Effect.isSuccess(keys.authenticate(key)))) return yield* Effect.never
        yield* keys.authenticate(key).pipe(
          Effect.as(false),
          Effect.catchTags({
            Unauthenticated: () => Effect.succeed(true),
            StoreUnavailable: () => Effect.succeed(false)
          }),
          Effect.delay(lookAgainAfter),
          Effect.repeat({ until: (revoked) => revoked })
        )
      })

      const send = Effect.fnUntraced(function* (events: Stream.Stream<string>) {
        if (count >= most) return yield* new Unavailable({ detail: `${most} connections follow jobs here: try later` })
        const { headers } = yield* HttpServerRequest.HttpServerRequest
        const revoked = untilRevoked(Redacted.make(headers[adminHeader] ?? ""))
        const body = Stream.unwrap(Effect.as(counted, Stream.merge(events, keepAlive, { haltStrategy: "left" }))).pipe(
          Stream.interruptWhen(Effect.raceFirst(Effect.timeoutOption(Deferred.await(ended), longest), revoked)),
          Stream.encodeText
        )
        return HttpServerResponse.stream(body, {
          contentType: "text/event-stream",
          // Some proxies would keep events back until they have a page full.
          headers: { "x-accel-buffering": "no" }
        })
      })

      return Followers.of({ send, end: Deferred.succeed(ended, undefined) })
    })
  )
}
