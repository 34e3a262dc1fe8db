/** AccessKeys on PostgreSQL. */
import { Effect, Layer, Option, type Redacted, Schema } from "effect"
import { AccessKeys, AccessScope, IssuedKey } from "../../domain/ports/AccessKeys.ts"
import { Unauthenticated } from "../../domain/ports/WorkerRegistry.ts"
import { Db } from "./Db.ts"
import * as Key from "./Key.ts"
import { storeUnavailable } from "./Rows.ts"

const Known = Schema.Struct({ scope: AccessScope, secretSha256: Schema.String, expired: Schema.Boolean })
const Ends = Schema.Struct({ expiresAt: Schema.NullOr(Schema.Date) })
const Successor = Schema.Struct({ name: Schema.String, scope: AccessScope })

const make = Effect.gen(function* () {
  const db = yield* Db

  const mint = Effect.fn("AccessKeys.mint")(function* (options: Parameters<AccessKeys["Service"]["mint"]>[0]) {
    const minted = Key.mint(options.scope)
    const [row] = yield* db.rows(
      Ends,
      (sql) =>
        sql`
        insert into access_key (id, name, scope, secret_sha256, expires_at)
        values (${minted.id}, ${options.name}, ${options.scope}, ${minted.digest},
                now() + make_interval(secs => ${options.lifeSeconds}))
        returning expires_at as "expiresAt"`
    )
    return { id: minted.id, key: minted.key, ...row! }
  }, storeUnavailable)

  const rotate = Effect.fn("AccessKeys.rotate")(
    function* (id: string, overlapSeconds: number) {
      const [before] = yield* db.rows(
        Successor,
        (sql) =>
          sql`
        update access_key
           set expires_at = least(coalesce(expires_at, 'infinity'), now() + make_interval(secs => ${overlapSeconds}))
         where id = ${id} and revoked_at is null and coalesce(expires_at > now(), true)
        returning name, scope`
      )
      return before === undefined ? Option.none() : Option.some(yield* mint({ ...before, lifeSeconds: null }))
    },
    db.transaction,
    storeUnavailable
  )

  const revoke = Effect.fn("AccessKeys.revoke")(function* (id: string) {
    const rows = yield* db.query(
      (sql) => sql`update access_key set revoked_at = coalesce(revoked_at, now()) where id = ${id} returning id`
    )
    return rows.length > 0
  }, storeUnavailable)

  const list = db
    .rows(
      IssuedKey,
      (sql) =>
        sql`
        select id, name, scope, null::uuid as "worker", created_at as "createdAt", expires_at as "expiresAt",
               revoked_at as "revokedAt"
          from access_key
        union all
        select k.id, w.name, 'worker', w.id, k.created_at, k.expires_at, k.revoked_at
          from worker_key k
          join worker w on w.id = k.worker_id
         order by "createdAt" desc, id`
    )
    .pipe(Effect.withSpan("AccessKeys.list"), storeUnavailable)

  const authenticate = Effect.fn("AccessKeys.authenticate")(function* (key: Redacted.Redacted) {
    const claimed = Key.parse(key)
    if (claimed === null) return yield* new Unauthenticated({ reason: "invalid" })
    const [row] = yield* db.rows(
      Known,
      (sql) =>
        sql`
        select scope, secret_sha256 as "secretSha256", coalesce(expires_at < now(), false) as "expired"
          from access_key
         where id = ${claimed.id} and revoked_at is null`
    )
    if (row === undefined || !Key.sameDigest(row.secretSha256, claimed.digest)) {
      return yield* new Unauthenticated({ reason: "invalid" })
    }
    return row.expired ? yield* new Unauthenticated({ reason: "expired" }) : row.scope
  }, storeUnavailable)

  return AccessKeys.of({ mint, rotate, revoke, list, authenticate })
})

export const layer = Layer.effect(AccessKeys, make)
