/** Keys for people and programs, beside the admin secret that the API starts with. */
import type { Effect, Option, Redacted } from "effect"
import { Context, Schema } from "effect"
import { WorkerId } from "../ids.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"
import type { Unauthenticated } from "./WorkerRegistry.ts"

/** `admin` may do what the admin secret may. `read` may look at everything that operators see, and change nothing. */
export const AccessScope = Schema.Literals(["admin", "read"])
export type AccessScope = typeof AccessScope.Type

/** A key of any kind, without its secret. Those of scope `worker` belong to a worker and are minted with it. */
export const IssuedKey = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  scope: Schema.Literals(["worker", ...AccessScope.literals]),
  worker: Schema.NullOr(WorkerId),
  createdAt: Schema.Date,
  expiresAt: Schema.NullOr(Schema.Date),
  revokedAt: Schema.NullOr(Schema.Date)
})
export interface IssuedKey extends Schema.Schema.Type<typeof IssuedKey> {}

export interface MintedKey {
  readonly id: string
  /** Shown this once. */
  readonly key: Redacted.Redacted
  readonly expiresAt: Date | null
}

export class AccessKeys extends Context.Service<
  AccessKeys,
  {
    mint(options: {
      readonly name: string
      readonly scope: AccessScope
      readonly lifeSeconds: number | null
    }): Effect.Effect<MintedKey, StoreUnavailable>

    /** Mints another key of the same name and scope; the one before goes on for `overlapSeconds` at most. */
    rotate(id: string, overlapSeconds: number): Effect.Effect<Option.Option<MintedKey>, StoreUnavailable>

    /** Ends a key at once. False when there is no such key; one that has ended stays so. */
    revoke(id: string): Effect.Effect<boolean, StoreUnavailable>

    /** Newest first, those of workers among them. */
    readonly list: Effect.Effect<ReadonlyArray<IssuedKey>, StoreUnavailable>

    authenticate(key: Redacted.Redacted): Effect.Effect<AccessScope, Unauthenticated | StoreUnavailable>
  }
>()("vlog/domain/ports/AccessKeys") {}
