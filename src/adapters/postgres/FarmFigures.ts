/** FarmFigures on PostgreSQL. */
import { Effect, Layer } from "effect"
import { FarmFigures, Figures } from "../../domain/ports/FarmFigures.ts"
import { Db } from "./Db.ts"
import { storeUnavailable, videoStatus } from "./Rows.ts"
import { shownStatus } from "./WorkerRegistry.ts"

export const layer = Layer.effect(
  FarmFigures,
  Effect.gen(function* () {
    const db = yield* Db
    const read = Effect.gen(function* () {
      const [row] = yield* db.rows(
        Figures,
        (sql) =>
          sql`
          with shown as (
            select ${sql.unsafe(videoStatus)} as state from video v
          ), queue as materialized (
            select case when priority > 0 then 'high' when priority < 0 then 'low' else 'normal' end as priority,
                   coalesce(needs_codec, 'any') as requirement,
                   suits_gpu,
                   run_at
              from task
             where state = 'queued'
          ), waiting as (
            select * from queue where run_at <= clock_timestamp()
          ), grouped as (
            select priority, requirement, count(*)::int as tasks from waiting group by priority, requirement
          )
          select (select count(*)::int from queue) as "queued",
                 (select count(*)::int from task where state = 'leased') as "active",
                 (select count(*)::int from task where state = 'leased' and lease_expires_at <= clock_timestamp()) as "expired",
                 (select count(*)::int
                    from attempt
                   where outcome = 'expired' and ended_at > clock_timestamp() - interval '1 hour') as "lost",
                 (select jsonb_build_object(
                           'waiting',       (select coalesce(jsonb_agg(to_jsonb(grouped)), '[]') from grouped),
                           'forGpu',        count(*) filter (where suits_gpu),
                           'delayed',       (select count(*) from queue) - count(*),
                           'oldestSeconds', coalesce(extract(epoch from clock_timestamp() - min(run_at)), 0))
                    from waiting) as "queue",
                 (select coalesce(sum(source_bytes), 0)::double precision from video) as "sourceBytes",
                 (select jsonb_build_object('pending',    count(*) filter (where state = 'pending'),
                                            'processing', count(*) filter (where state = 'processing'),
                                            'ready',      count(*) filter (where state = 'ready'),
                                            'failed',     count(*) filter (where state = 'failed'))
                    from shown) as "videos",
                 (select coalesce(jsonb_agg(jsonb_build_object(
                           'name',                w.name,
                           'status',              ${sql.unsafe(shownStatus)},
                           'heartbeatAgeSeconds', extract(epoch from clock_timestamp() - w.last_heartbeat))), '[]')
                    from worker w) as "workers"`
      )
      return row!
    })
    return FarmFigures.of({ read: read.pipe(Effect.withSpan("FarmFigures.read"), storeUnavailable) })
  })
)
