/** Who is calling, and how often: decided before a byte of the body is read. */
import { Effect, Layer, Redacted } from "effect"
import { HttpServerError, HttpServerRequest, HttpServerResponse } from "effect/http"
import { type HttpApiEndpoint, type HttpApiError, HttpApiMiddleware } from "effect/http-api"
import { createHash, timingSafeEqual } from "node:crypto"
import type { Unauthenticated } from "../../../domain/ports/WorkerRegistry.ts"
import { WorkerRegistry } from "../../../domain/ports/WorkerRegistry.ts"
import { AdminAuth, CallingWorker, WorkerAuth } from "../contract/Auth.ts"
import { Forbidden, Unauthorized, Unprocessable } from "../contract/Errors.ts"
import { Validation } from "../contract/Validation.ts"
import { addressOf, TrustedProxies } from "./Caller.ts"
import { invalidFields, invalidJson } from "./InvalidFields.ts"
import { type LimitClass, type RateExceeded, RateLimits } from "./RateLimits.ts"
import { unavailable } from "./Refusals.ts"
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
  return yield* request.text.pipe(
    Effect.as(null),
    Effect.timeoutOrElse({
      duration: jsonPatience,
      orElse: () =>
        Effect.succeed(
          HttpServerResponse.jsonUnsafe(
            { detail: "The body did not arrive in time" },
            { status: 408, headers: { connection: "close" } }
          )
        )
    }),
    Effect.catch((error) => Effect.succeed(unreadable(error)))
  )
})

const unreadable = (error: HttpServerError.HttpServerError) => {
  const tooLarge = error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge"
  return HttpServerResponse.jsonUnsafe(
    { detail: tooLarge ? "The body is larger than is taken here" : "The body cannot be read" },
    { status: tooLarge ? 413 : 400, headers: { connection: "close" } }
  )
}

/** Whoever fails too often from one address is not listened to for a while, right or wrong. */
const counting = Effect.gen(function* () {
  const limits = yield* RateLimits
  const trusted = yield* TrustedProxies
  return Effect.fnUntraced(function* () {
    const address = addressOf(yield* HttpServerRequest.HttpServerRequest, trusted)
    yield* limits.check("failure", address)
    return { address, failed: Effect.ignore(limits.take("failure", address)) }
  })
})

const credentialFailed = (error: { readonly _tag: string }) =>
  error._tag === "Unauthorized" || error._tag === "Forbidden"

export const workerAuth = Layer.effect(
  WorkerAuth,
  Effect.gen(function* () {
    const registry = yield* WorkerRegistry
    const limits = yield* RateLimits
    const caller = yield* counting

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
          const { failed } = yield* caller()
          const id = yield* Effect.tapError(identify(credential), (error) =>
            credentialFailed(error) ? failed : Effect.void
          )
          yield* limits.take(classes[endpoint.identifier] ?? "default", id)
          return (yield* arrived(endpoint)) ?? (yield* Effect.provideService(handler, CallingWorker, { id }))
        },
        Effect.catchTag("RateExceeded", (error) => Effect.succeed(tooMany(error)))
      )
    })
  })
)

const digest = (secret: Redacted.Redacted) => createHash("sha256").update(Redacted.value(secret)).digest()

export const adminAuth = Layer.effect(
  AdminAuth,
  Effect.gen(function* () {
    const { adminSecret } = yield* ApiSettings
    const limits = yield* RateLimits
    const caller = yield* counting
    const expected = digest(adminSecret)

    const prove = (credential: Redacted.Redacted) => {
      if (Redacted.value(credential) === "") return new Unauthorized({ detail: "X-Admin-Secret header required" })
      return timingSafeEqual(digest(credential), expected) ? null : new Forbidden({ detail: "Invalid admin secret" })
    }

    return AdminAuth.of({
      secret: Effect.fnUntraced(
        function* (handler, { credential, endpoint }) {
          const { address, failed } = yield* caller()
          const refusal = prove(credential)
          if (refusal !== null) {
            yield* failed
            return yield* refusal
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
