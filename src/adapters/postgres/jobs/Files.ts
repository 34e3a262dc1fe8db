/** The files of an attempt as one value, for `Schema.Array(RegisteredFile)`. */
import type { Sql } from "../Db.ts"

/** `lease`: an expression, such as a column. */
export const filesOf = (sql: Sql, lease: ReturnType<Sql>) =>
  sql`
    (select coalesce(jsonb_agg(jsonb_build_object(
              'rendition', f.rendition,
              'name',      f.name,
              'bytes',     f.bytes,
              'sha256',    f.sha256,
              'facts',     f.facts)
              || case when f.prefix_bytes is null then '{}' else jsonb_build_object(
                   'prefix', jsonb_build_object('bytes', f.prefix_bytes, 'sha256', f.prefix_sha256)) end), '[]')
       from attempt_file f
      where f.lease_id = ${lease})`
