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
