/** Keys that may be shown where the admin secret is asked for. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { WorkerId } from "../../../domain/ids.ts"
import { AccessScope, IssuedKey } from "../../../domain/ports/AccessKeys.ts"
import { AdminAuth } from "./Auth.ts"
import { NotFound, Unavailable } from "./Errors.ts"
import { integerBetween, integerFrom, Text } from "./Fields.ts"

const tenYears = 10 * 366 * 24 * 3600

const MintedAnswer = Schema.Struct({
  id: Schema.String,
  /** Shown this once. */
  key: Schema.String,
  expires_at: Schema.NullOr(Schema.DateFromString)
})

export const KeyAnswer = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  scope: IssuedKey.fields.scope,
  worker_id: Schema.NullOr(WorkerId),
  created_at: Schema.DateFromString,
  expires_at: Schema.NullOr(Schema.DateFromString),
  revoked_at: Schema.NullOr(Schema.DateFromString)
})

const params = { key_id: Schema.String }

export class KeyGroup extends HttpApiGroup.make("keys")
  .add(
    HttpApiEndpoint.post("mint", "/api/keys", {
      payload: Schema.Struct({
        name: Text(100).pipe(Schema.check(Schema.isNonEmpty())),
        scope: AccessScope,
        expires_in: Schema.optionalKey(Schema.NullOr(integerFrom(60, tenYears)))
      }),
      success: MintedAnswer.pipe(HttpApiSchema.status(201)),
      error: Unavailable
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Mint a key",
        description:
          "It is sent as X-Admin-Secret. Scope `admin` may do what the admin secret may; `read` may only read: lists, " +
          "single videos and jobs, events, metrics. `expires_in` is in seconds; without it the key does not expire."
      })
    ),
    HttpApiEndpoint.get("list", "/api/keys", {
      success: Schema.Struct({ keys: Schema.Array(KeyAnswer) }),
      error: Unavailable
    }).annotateMerge(OpenApi.annotations({ summary: "List keys, those of workers among them, without their secrets" })),
    HttpApiEndpoint.post("rotate", "/api/keys/:key_id/rotate", {
      params,
      query: { overlap: Schema.optionalKey(integerBetween(0, 30 * 24 * 3600)) },
      success: MintedAnswer,
      error: [NotFound, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Mint the successor of a key",
        description: "The key before it is taken for `overlap` more seconds, a day unless said otherwise."
      })
    ),
    HttpApiEndpoint.post("revoke", "/api/keys/:key_id/revoke", {
      params,
      success: Schema.Struct({ status: Schema.Literal("ok"), message: Schema.String }),
      error: [NotFound, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "End a key at once", description: "Keys of workers end with their worker." })
    )
  )
  .middleware(AdminAuth) {}
