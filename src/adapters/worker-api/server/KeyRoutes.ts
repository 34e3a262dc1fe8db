/** Keys that may be shown where the admin secret is asked for. */
import { Effect, Option, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AccessKeys, type MintedKey } from "../../../domain/ports/AccessKeys.ts"
import { Api } from "../contract/Api.ts"
import { NotFound } from "../contract/Errors.ts"
import { unavailable } from "./Refusals.ts"

/** A day to bring a new key to whoever uses it, if nobody says otherwise. */
const overlapSeconds = 24 * 3600

const mintedAnswer = ({ expiresAt, id, key }: MintedKey) => ({ id, key: Redacted.value(key), expires_at: expiresAt })

const noSuchKey = new NotFound({ detail: "Key not found" })

export const keyRoutes = HttpApiBuilder.group(
  Api,
  "keys",
  Effect.fn(function* (handlers) {
    const keys = yield* AccessKeys
    return handlers
      .handle(
        "mint",
        Effect.fnUntraced(
          function* ({ payload: { expires_in, name, scope } }) {
            const minted = yield* keys.mint({ name, scope, lifeSeconds: expires_in ?? null })
            yield* Effect.logInfo("key minted", { key: minted.id, name, scope })
            return mintedAnswer(minted)
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
      .handle(
        "list",
        Effect.fnUntraced(
          function* () {
            const listed = yield* keys.list
            return {
              keys: listed.map(({ createdAt, expiresAt, id, name, revokedAt, scope, worker }) => ({
                id,
                name,
                scope,
                worker_id: worker,
                created_at: createdAt,
                expires_at: expiresAt,
                revoked_at: revokedAt
              }))
            }
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
      .handle(
        "rotate",
        Effect.fnUntraced(
          function* ({ params, query }) {
            const minted = yield* keys.rotate(params.key_id, query.overlap ?? overlapSeconds)
            if (Option.isNone(minted)) return yield* noSuchKey
            yield* Effect.logInfo("key rotated", { key: params.key_id, successor: minted.value.id })
            return mintedAnswer(minted.value)
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
      .handle(
        "revoke",
        Effect.fnUntraced(
          function* ({ params }) {
            if (!(yield* keys.revoke(params.key_id))) return yield* noSuchKey
            yield* Effect.logInfo("key revoked", { key: params.key_id })
            return { status: "ok" as const, message: `Key ${params.key_id} has been revoked` }
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
  })
)
