/** Who is calling, and how often: decided before a byte of the body is read. */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect, Fiber, Layer, Redacted } from "effect"
import { HttpIncomingMessage, type HttpServerError, HttpServerRequest, HttpServerResponse } from "effect/http"
import { type HttpApiEndpoint, type HttpApiError, HttpApiMiddleware } from "effect/http-api"
import { AccessKeys } from "../../../domain/ports/AccessKeys.ts"
import type { Unauthenticated } from "../../../domain/ports/WorkerRegistry.ts"
import { WorkerRegistry } from "../../../domain/ports/WorkerRegistry.ts"
import { AdminAuth, CallingWorker, WorkerAuth } from "../contract/Auth.ts"
import { Forbidden, Unauthorized, Unprocessable } from "../contract/Errors.ts"
import { Validation } from "../contract/Validation.ts"
import { announcedBytes } from "../../http/Body.ts"
import { addressOf, TrustedProxies } from "./Caller.ts"
import { invalidFields, invalidJson } from "./InvalidFields.ts"
import { type LimitClass, type RateExceeded, RateLimits } from "./RateLimits.ts"
import { unavailable } from "./Refusals.ts"
import { isSecret } from "./Secret.ts"
import { ApiSettings } from "./Settings.ts"

const refusals: Readonly<Record<Unauthenticated["reason"], Unauthorized | Forbidden>> = {
  missing: new Unauthorized({ detail: "Missing API key. Include X-Worker-API-Key header." }),
  invalid: new Unauthorized({ detail: "Invalid API key" }),
  expired: new Unauthorized({ detail: "API key expired" }),
  disabled: new Forbidden({ detail: "Worker is disabled" })
}

export const tooMany = ({ limit, retryAfterSeconds }: RateExceeded) =>
  HttpServerResponse.jsonUnsafe(
    { detail: "Rate limit exceeded", error: limit },
    { status: 429, headers: { "retry-after": String(retryAfterSeconds) } }
  )

const classes: Readonly<Record<string, LimitClass>> = {
  progress: "progress",
  segment: "upload",
  add: "upload",
  register: "register",
  revoke: "register",
  rotate: "register"
}

/** Time for a JSON body to arrive in, all of it. */
const jsonPatience = "30 seconds"

/** A body that is decoded is read here, within a time; the platform gives what was read to whoever decodes it. */
const arrived = Effect.fnUntraced(function* (endpoint: HttpApiEndpoint.Top) {
  if (endpoint.payload.size === 0) return null
  const request = yield* HttpServerRequest.HttpServerRequest
  const most = yield* HttpIncomingMessage.MaxBodySize
  if (!endpoint.payload.has(mediaType(request.headers["content-type"]))) return unsupported
  if (most !== undefined && announcedBytes(request) > Number(most)) return tooLarge
  const read = Effect.match(request.text, { onFailure: unreadable, onSuccess: () => null })
  // As most have by the time the key was looked up: they need no clock.
  const { complete } = NodeHttpServerRequest.toIncomingMessage(request)
  return yield* complete ? read : inTime(read)
})

/** By a fiber of its own: a read that is interrupted closes the connection, and nobody is told why. */
const inTime = <A>(read: Effect.Effect<A>) =>
  Effect.flatMap(Effect.forkDetach(read, { startImmediately: true }), (reading) =>
    Effect.timeoutOrElse(Fiber.join(reading), {
      duration: jsonPatience,
      orElse: () => Effect.succeed(closing(408, "The body did not arrive in time"))
    })
  )

const mediaType = (header = "application/json") => header.split(";", 1)[0]!.trim().toLowerCase()

const closing = (status: number, detail: string) =>
  HttpServerResponse.jsonUnsafe({ detail }, { status, headers: { connection: "close" } })

const tooLarge = closing(413, "The body is larger than is taken here")

const unsupported = HttpServerResponse.jsonUnsafe(
  { detail: "Content-Type has to be application/json" },
  { status: 415 }
)

const unreadable = ({ reason }: HttpServerError.HttpServerError) =>
  reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
    ? tooLarge
    : closing(400, "The body cannot be read")

const addresses = Effect.map(TrustedProxies, (trusted) =>
  Effect.map(HttpServerRequest.HttpServerRequest, (request) => addressOf(request, trusted))
)

const credentialFailed = (error: { readonly _tag: string }) =>
  error._tag === "Unauthorized" || error._tag === "Forbidden"

export const workerAuth = Layer.effect(
  WorkerAuth,
  Effect.gen(function* () {
    const registry = yield* WorkerRegistry
    const limits = yield* RateLimits
    const caller = yield* addresses

    const identify = Effect.fnUntraced(function* (credential: Redacted.Redacted) {
      if (Redacted.value(credential) === "") return yield* refusals.missing
      return yield* registry.authenticate(credential).pipe(
        Effect.catchTags({
          Unauthenticated: ({ reason }) => Effect.fail(refusals[reason]),
          StoreUnavailable: unavailable
        })
      )
    })

    return WorkerAuth.of({
      key: Effect.fnUntraced(
        function* (handler, { credential, endpoint }) {
          // Many workers may share an address, so that one with a wrong key must not shut out those with right ones. A key
          // cannot be guessed, however often.
          const address = yield* caller
          const id = yield* Effect.tapError(identify(credential), (error) =>
            credentialFailed(error) ? limits.take("failure", address) : Effect.void
          )
          yield* limits.take(classes[endpoint.identifier] ?? "default", id)
          return (yield* arrived(endpoint)) ?? (yield* Effect.provideService(handler, CallingWorker, { id }))
        },
        Effect.catchTag("RateExceeded", (error) => Effect.succeed(tooMany(error)))
      )
    })
  })
)

export const adminAuth = Layer.effect(
  AdminAuth,
  Effect.gen(function* () {
    const { adminSecret } = yield* ApiSettings
    const keys = yield* AccessKeys
    const limits = yield* RateLimits
    const caller = yield* addresses

    const scopeOf = Effect.fnUntraced(function* (credential: Redacted.Redacted) {
      if (Redacted.value(credential) === "") {
        return yield* new Unauthorized({ detail: "X-Admin-Secret header required" })
      }
      if (isSecret(Redacted.value(credential), Redacted.value(adminSecret))) return "admin"
      return yield* keys.authenticate(credential).pipe(
        Effect.catchTags({
          Unauthenticated: ({ reason }) =>
            Effect.fail(reason === "expired" ? refusals.expired : new Forbidden({ detail: "Invalid admin secret" })),
          StoreUnavailable: unavailable
        })
      )
    })

    return AdminAuth.of({
      secret: Effect.fnUntraced(
        function* (handler, { credential, endpoint }) {
          // A secret that a person chose might be guessed: who fails too often is not listened to, right or wrong.
          const address = yield* caller
          yield* limits.check("failure", `admin ${address}`)
          const scope = yield* Effect.tapError(scopeOf(credential), (error) =>
            credentialFailed(error) ? limits.take("failure", `admin ${address}`) : Effect.void
          )
          if (scope === "read" && endpoint.method !== "GET" && endpoint.method !== "HEAD") {
            return yield* new Forbidden({ detail: "This key may only read" })
          }
          yield* limits.take(classes[endpoint.identifier] ?? "default", `admin ${address}`)
          return (yield* arrived(endpoint)) ?? (yield* handler)
        },
        Effect.catchTag("RateExceeded", (error) => Effect.succeed(tooMany(error)))
      )
    })
  })
)

export const validation = HttpApiMiddleware.layerSchemaErrorTransform(Validation, (error) =>
  Effect.flatMap(unprocessable(error), Effect.fail)
)

const unprocessable = Effect.fnUntraced(function* (error: HttpApiError.HttpApiSchemaError) {
  // What the platform cannot parse it does not describe.
  const isText = error.kind === "Payload" && error.cause.issue._tag === "InvalidValue"
  const request = yield* HttpServerRequest.HttpServerRequest
  const broken = isText ? invalidJson(yield* Effect.orElseSucceed(request.text, () => "null")) : []
  return new Unprocessable({ detail: broken.length > 0 ? broken : invalidFields(error) })
})
