/** What the stores share: how a database error looks to the domain, and columns that several queries select. */
import { Effect, Schema } from "effect"
import { StoreUnavailable } from "../../domain/ports/StoreUnavailable.ts"
import type { DbError } from "./Db.ts"

/** Any trouble with the database is the same to the domain: nothing was decided. */
export const storeUnavailable = <A, E, R>(
  effect: Effect.Effect<A, E | DbError, R>
): Effect.Effect<A, Exclude<E, DbError> | StoreUnavailable, R> =>
  Effect.catchTag(effect as Effect.Effect<A, DbError, R>, "DbError", (cause) =>
    Effect.fail(new StoreUnavailable({ cause }))
  ) as never

/** The answer to `select count(*)::int as count`. */
export const Count = Schema.Struct({ count: Schema.Int })

/** `TraceContext` of the row aliased `alias`: that of whoever asked for the upload or the job. */
export const traceOf = (alias: string) => `
  case when ${alias}.traceparent is not null
       then jsonb_build_object('traceparent', ${alias}.traceparent, 'tracestate', ${alias}.tracestate)
  end`

/** `SourceFile` of the video aliased `v`. */
export const sourceColumns = `
  jsonb_build_object(
    'fileName',  v.source_file_name,
    'extension', v.source_extension,
    'bytes',     v.source_bytes,
    'sha256',    v.source_sha256
  )`

/** `VideoStatus` of the video aliased `v`, by what is published and by its latest job. */
export const videoStatus = `
  case when v.published is not null then 'ready'
       else coalesce(
         (select case when l.state <> 'active' then 'failed'
                      when exists (select from task t where t.job_id = l.id and t.state = 'leased') then 'processing'
                      else 'pending'
                 end
            from job l
           where l.video_id = v.id
           order by l.id desc
           limit 1),
         'failed')
  end`
