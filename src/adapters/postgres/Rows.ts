/** What the stores share: how a database error looks to the domain, and columns that several queries select. */
import { Effect } from "effect"
import { StoreUnavailable } from "../../domain/ports/StoreUnavailable.ts"
import type { DbError } from "./Db.ts"

/** Any trouble with the database is the same to the domain: nothing was decided. */
export const storeUnavailable = <A, E, R>(
  effect: Effect.Effect<A, E | DbError, R>
): Effect.Effect<A, Exclude<E, DbError> | StoreUnavailable, R> =>
  Effect.catchTag(effect as Effect.Effect<A, DbError, R>, "DbError", (cause) =>
    Effect.fail(new StoreUnavailable({ cause }))
  ) as never

/** `SourceFile` of the video aliased `v`. */
export const sourceColumns = `
  jsonb_build_object(
    'fileName',  v.source_file_name,
    'extension', v.source_extension,
    'bytes',     v.source_bytes,
    'sha256',    v.source_sha256
  )`
