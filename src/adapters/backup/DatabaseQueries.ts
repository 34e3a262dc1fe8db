/** The other things that psql is asked. */
import { Schema } from "effect"

/** Numbers that only have to differ from other locks of ours; the lock is the database's own. */
export const tryLock = "select to_jsonb(pg_try_advisory_lock(7628103, 2))"

export const Facts = Schema.Struct({ database: Schema.String, version: Schema.String, key: Schema.String })

export const facts = `
  select jsonb_build_object(
           'database', current_database(),
           'version',  current_setting('server_version'),
           'key',      substr(md5((select system_identifier from pg_control_system()) || '/' ||
                                  (select oid from pg_database where datname = current_database())), 1, 12))`

export const SnapshotRow = Schema.Struct({ id: Schema.String, lsn: Schema.String, takenAt: Schema.DateFromString })

export const beginSnapshot = `
  begin transaction isolation level repeatable read, read only;
  select jsonb_build_object(
           'id',      pg_export_snapshot(),
           'lsn',     case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end,
           'takenAt', to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))`

const literal = (text: string): string =>
  ` ${text.includes("\\") ? "E" : ""}'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`

export const identifier = (text: string): string => `"${text.replaceAll('"', '""')}"`

/** The statement that makes a database like the current one. Elsewhere its locale may be unknown: bytes decide there. */
export const createStatement = (name: string, like: "current" | "plain"): string =>
  like === "plain"
    ? `select format('create database %I template template0 encoding ''UTF8'' lc_collate ''C'' lc_ctype ''C''', ${literal(name)})
       \\gexec`
    : `select format('create database %I template template0 encoding %L lc_collate %L lc_ctype %L', ${literal(name)},
                pg_encoding_to_char(d.encoding), d.datcollate, d.datctype)
           || case when to_jsonb(d) ->> 'datlocprovider' = 'i'
                   then format(' locale_provider icu icu_locale %L',
                               coalesce(to_jsonb(d) ->> 'daticulocale', to_jsonb(d) ->> 'datlocale'))
                   else '' end
         from pg_database d
        where datname = current_database()
       \\gexec`

export const named = (prefix: string): string =>
  `select to_jsonb(datname::text) from pg_database where starts_with(datname::text, ${literal(prefix)}) order by datname`

export const clients = (name: string): string =>
  `select to_jsonb(format('%s (%s)', coalesce(nullif(application_name, ''), 'a client'), usename))
     from pg_stat_activity
    where datname = ${literal(name)} and application_name <> 'vlog-backup' and backend_type = 'client backend'
    order by 1`

/** A worker's lease from after the backup must not fit one from before it. The lost attempts do not count. */
export const revokeLeases = `
  select case when to_regclass('public.task') is null then 'select to_jsonb(0)' else $$
    with revoked as (
      update public.task t
         set state = 'queued', attempt = t.attempt - 1, run_at = clock_timestamp(), worker_id = null,
             lease_id = null, lease_seconds = null, lease_expires_at = null
        from (select id, lease_id from public.task where state = 'leased' for update) held
       where t.id = held.id
      returning held.lease_id
    ), history as (
      update public.attempt a
         set ended_at = clock_timestamp(), outcome = 'released', error = 'the database was restored from a backup'
        from revoked
       where a.lease_id = revoked.lease_id
    )
    select to_jsonb(count(*)) from revoked
  $$ end
  \\gexec`

/** Shut out first, or a client that connects again at once would be in the way of the renaming. */
export const shutOut = (name: string): string => `
  alter database ${identifier(name)} allow_connections false;
  select to_jsonb(pg_terminate_backend(pid)) from pg_stat_activity where datname = ${literal(name)}`

export const letIn = (name: string): string => `alter database ${identifier(name)} allow_connections true`

export const exchange = (options: { readonly live: string; readonly replacement: string; readonly keepAs: string }) => `
  begin;
  alter database ${identifier(options.live)} rename to ${identifier(options.keepAs)};
  alter database ${identifier(options.replacement)} rename to ${identifier(options.live)};
  commit`
