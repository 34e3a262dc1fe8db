/** Who is calling: checked before a byte of the body is read. */
import { Effect, Layer, Redacted } from "effect"
import { HttpApiMiddleware } from "effect/http-api"
import { createHash, timingSafeEqual } from "node:crypto"
import type { Unauthenticated } from "../../../domain/ports/WorkerRegistry.ts"
import { WorkerRegistry } from "../../../domain/ports/WorkerRegistry.ts"
import { AdminAuth, CallingWorker, WorkerAuth } from "../contract/Auth.ts"
import { Forbidden, Unauthorized } from "../contract/Errors.ts"
import { Unprocessable } from "../contract/Errors.ts"
import { Validation } from "../contract/Validation.ts"
import { unavailable } from "./Refusals.ts"
import { ApiSettings } from "./Settings.ts"
import { invalidFields } from "./InvalidFields.ts"

const refusals: Readonly<Record<Unauthenticated["reason"], Unauthorized | Forbidden>> = {
  missing: new Unauthorized({ detail: "Missing API key. Include X-Worker-API-Key header." }),
  invalid: new Unauthorized({ detail: "Invalid API key" }),
  expired: new Unauthorized({ detail: "API key expired" }),
  disabled: new Forbidden({ detail: "Worker is disabled" })
}

export const workerAuth = Layer.effect(
  WorkerAuth,
  Effect.gen(function* () {
    const registry = yield* WorkerRegistry
    return WorkerAuth.of({
      key: Effect.fnUntraced(function* (handler, { credential }) {
        if (Redacted.value(credential) === "") return yield* refusals.missing
        const id = yield* registry.authenticate(credential).pipe(
          Effect.catchTags({
            Unauthenticated: ({ reason }) => Effect.fail(refusals[reason]),
            StoreUnavailable: unavailable
          })
        )
        return yield* Effect.provideService(handler, CallingWorker, { id })
      })
    })
  })
)

const digest = (secret: Redacted.Redacted) => createHash("sha256").update(Redacted.value(secret)).digest()

export const adminAuth = Layer.effect(
  AdminAuth,
  Effect.gen(function* () {
    const { adminSecret } = yield* ApiSettings
    const expected = digest(adminSecret)
    return AdminAuth.of({
      secret: Effect.fnUntraced(function* (handler, { credential }) {
        if (Redacted.value(credential) === "")
          return yield* new Unauthorized({ detail: "X-Admin-Secret header required" })
        if (!timingSafeEqual(digest(credential), expected))
          return yield* new Forbidden({ detail: "Invalid admin secret" })
        return yield* handler
      })
    })
  })
)

export const validation = HttpApiMiddleware.layerSchemaErrorTransform(Validation, (error) =>
  Effect.fail(new Unprocessable({ detail: invalidFields(error) }))
)
