/** FarmFigures on PostgreSQL. */
import { Effect, Layer } from "effect"
import { FarmFigures, Figures } from "../../domain/ports/FarmFigures.ts"
import { Db } from "./Db.ts"
import { storeUnavailable } from "./Rows.ts"
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
            select case when v.published is not null then 'ready'
                        when j.state = 'active' and exists (select from task t where t.job_id = j.id and t.state = 'leased') then 'processing'
                        when j.state = 'active' then 'pending'
                        else 'failed'
                   end as state
              from video v
              left join lateral (select id, state from job where video_id = v.id order by id desc limit 1) j on true
          )
          select (select count(*)::int from task where state = 'queued') as "queued",
                 (select count(*)::int from task where state = 'leased') as "active",
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
