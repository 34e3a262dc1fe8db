/** What the extension amcheck finds when it compares tables and indexes with each other. */
import { Effect, Schema } from "effect"
import type { DatabaseProblem } from "../../domain/ports/BackupDatabase.ts"
import type { Psql } from "./Psql.ts"

const allowed = `
  select to_jsonb(case
    when not exists (select from pg_available_extensions where name = 'amcheck')
    then 'the server has no extension amcheck'
    when not (select rolsuper from pg_roles where rolname = current_user)
    then 'this role is no superuser, as the extension amcheck wants'
  end)`

/** Each index raises an error when it is damaged; the tables return what is wrong with them. */
const checks = `
  create schema vlog_amcheck;
  create extension amcheck with schema vlog_amcheck;
  select format('select vlog_amcheck.bt_index_check(%s::regclass, true)', c.oid)
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_am a on a.oid = c.relam
   where a.amname = 'btree' and c.relkind = 'i' and i.indisvalid and c.relpersistence <> 't'
  \\gexec
  select format('select to_jsonb(%L || '': '' || msg) from vlog_amcheck.verify_heapam(%s::regclass)', c.oid::regclass, c.oid)
    from pg_class c
   where c.relkind in ('r', 'm') and c.relpersistence <> 't'
  \\gexec`

/** Ends the session with an error when an index is damaged. */
export const checkIndexes = Effect.fnUntraced(function* (
  psql: Psql
): Effect.fn.Return<
  { readonly outcome: "passed" | "failed" | "skipped"; readonly problem: string | null },
  DatabaseProblem
> {
  const [reason] = yield* psql.rows(Schema.NullOr(Schema.String), allowed)
  if (typeof reason === "string") return { outcome: "skipped", problem: reason }
  return yield* psql.query(checks).pipe(
    Effect.map((found) =>
      found.length === 0
        ? { outcome: "passed" as const, problem: null }
        : { outcome: "failed" as const, problem: found.join("; ") }
    ),
    Effect.catchTag("DatabaseProblem", (error) =>
      error.reason === "failed"
        ? Effect.succeed({ outcome: "failed" as const, problem: error.problem })
        : Effect.fail(error)
    )
  )
})
