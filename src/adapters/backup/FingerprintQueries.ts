/**
 * What psql is asked for a fingerprint. Each statement asks the catalog for statements, which psql then runs (\gexec):
 * names are quoted by the server that knows them.
 */
import { Effect, Schema } from "effect"
import { type Fingerprint, TableFingerprint } from "../../domain/backups/Fingerprint.ts"
import type { Psql } from "./Psql.ts"

const ours = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"

/** What an extension brought along is made again by the extension, not by the archive. */
const notOfExtension = (catalog: string, row: string) =>
  `not exists (select from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${row}.oid and d.deptype = 'e')`

/** `t.*` is the row even where a column is called t. Rows that differ in their order only give one sum. */
const tables = `
  select format(
           'select jsonb_build_object(''schema'', %L, ''name'', %L, ''rows'', count(*), ''hash'', coalesce(sum(hashtextextended((t.*)::text, 0)::numeric), 0)::text) from only %I.%I t',
           n.nspname, c.relname, n.nspname, c.relname)
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
   where c.relkind = 'r'
     and c.relpersistence <> 't'
     and ${ours}
     and ${notOfExtension("pg_class", "c")}
   order by n.nspname collate "C", c.relname collate "C"
  \\gexec`

const largeObjects = `
  select jsonb_build_object(
           'count', count(*),
           'hash',  coalesce(sum(hashtextextended(oid::text || md5(lo_get(oid)), 0)::numeric), 0)::text)
    from pg_largeobject_metadata`

const objects = `
  select jsonb_object_agg(kind, n) from (
    select case c.relkind when 'i' then 'indexes' when 'I' then 'indexes' when 'S' then 'sequences'
                          when 'v' then 'views'   when 'm' then 'materialized views' else 'other relations' end as kind,
           count(*) as n
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      left join pg_index i on i.indexrelid = c.oid
     where c.relkind in ('i', 'I', 'S', 'v', 'm', 'p', 'f')
       and c.relpersistence <> 't'
       and i.indisvalid is not false
       and ${ours}
       and ${notOfExtension("pg_class", "c")}
       and not exists (select from pg_class o where o.oid = i.indrelid and not (${notOfExtension("pg_class", "o")}))
     group by 1
    union all
    select 'functions', count(*)
      from pg_proc p
      join pg_namespace n on n.oid = p.pronamespace
     where ${ours} and ${notOfExtension("pg_proc", "p")}
    union all
    select 'triggers', count(*)
      from pg_trigger t
      join pg_class c on c.oid = t.tgrelid
      join pg_namespace n on n.oid = c.relnamespace
     where not t.tgisinternal and ${ours} and ${notOfExtension("pg_class", "c")}
    union all
    select 'constraints', count(*)
      from pg_constraint k
      join pg_class c on c.oid = k.conrelid
      join pg_namespace n on n.oid = c.relnamespace
     where ${ours} and ${notOfExtension("pg_class", "c")}
  ) counted where n > 0`

const LargeObjects = Schema.Struct({ count: Schema.Int, hash: Schema.String })
const Objects = Schema.NullOr(Schema.Record(Schema.String, Schema.Int))

/** Of what the session sees: a snapshot, when it is in a transaction with one. */
export const fingerprint = Effect.fnUntraced(function* (psql: Psql) {
  const found = yield* psql.rows(TableFingerprint, tables)
  const [objectCounts] = yield* psql.rows(Objects, objects)
  const [large] = yield* psql.rows(LargeObjects, largeObjects)
  return {
    tables: found,
    largeObjects: large ?? { count: 0, hash: "0" },
    objects: objectCounts ?? {}
  } satisfies Fingerprint
})
