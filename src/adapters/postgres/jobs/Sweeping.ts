/** How tasks come back from workers that are gone. */
import { Effect, Schema } from "effect"
import { lostWorker } from "../../../domain/jobs/Task.ts"
import { Db } from "../Db.ts"
import { storeUnavailable } from "../Rows.ts"
import { endAttempts } from "./Ending.ts"

const Swept = Schema.Struct({ requeued: Schema.Int, failed: Schema.Int, ended: Schema.Int })

/** After a pause longer than this the sweeper cannot know who is alive: no worker could have renewed. */
const trustedPauseSeconds = 45

export const makeSweeping = Effect.gen(function* () {
  const db = yield* Db

  /** True when the sweeper has run lately enough that an expired lease means a dead worker. */
  const tick = db.rows(
    Schema.Struct({ trusted: Schema.Boolean }),
    (sql) =>
      sql`
      with before as (select last_run from sweeper for update)
      update sweeper
         set last_run = clock_timestamp()
        from before
      returning before.last_run > clock_timestamp() - make_interval(secs => ${trustedPauseSeconds}) as "trusted"`
  )

  const extendAll = db.query(
    (sql) =>
      sql`
      update task
         set lease_expires_at = greatest(lease_expires_at, clock_timestamp() + make_interval(secs => lease_seconds))
       where state = 'leased'`
  )

  /** Of one job: each has a transaction of its own, and nobody waits for all of them. */
  const expireJob = db.rows(
    Swept,
    (sql) =>
      sql`
      with ${endAttempts(
        sql,
        sql`
          select t.id, t.lease_id, 'expired' as outcome, ${lostWorker}::text as error, true as retry, null::text as stderr, '[]'::jsonb as notes
            from task t
           where t.state = 'leased'
             and t.lease_expires_at <= clock_timestamp()
             and t.job_id = (
                   select c.job_id
                     from task c
                    where c.state = 'leased'
                      and c.lease_expires_at <= clock_timestamp()
                    limit 1
                      for update skip locked)
             for update skip locked`
      )}
      select (count(*) filter (where state = 'queued'))::int as "requeued",
             (count(*) filter (where state = 'failed'))::int as "failed",
             count(*)::int as "ended"
        from ended`
  )

  const sweep = Effect.gen(function* () {
    const [ticked] = yield* tick
    if (ticked?.trusted !== true) {
      yield* extendAll
      return { requeued: 0, failed: 0, extended: true }
    }
    let [requeued, failed] = [0, 0]
    while (true) {
      const [swept] = yield* expireJob
      if (swept === undefined || swept.ended === 0) return { requeued, failed, extended: false }
      requeued += swept.requeued
      failed += swept.failed
    }
  }).pipe(Effect.withSpan("JobStore.sweep"), storeUnavailable)

  return { sweep }
})
