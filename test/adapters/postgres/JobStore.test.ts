import { Effect, Layer } from "effect"
import { Db } from "../../../src/adapters/postgres/Db.ts"
import * as JobStore from "../../../src/adapters/postgres/JobStore.ts"
import * as VideoStore from "../../../src/adapters/postgres/VideoStore.ts"
import * as WorkerRegistry from "../../../src/adapters/postgres/WorkerRegistry.ts"
import { TestDatabase } from "../../support/postgres.ts"
import { claims } from "../../support/stores/claims.ts"
import { contract, StoreHands } from "../../support/stores/contract.ts"
import { leases } from "../../support/stores/leases.ts"
import { matching } from "../../support/stores/matching.ts"
import { outputs } from "../../support/stores/outputs.ts"
import { registration } from "../../support/stores/registration.ts"

const hands = Layer.effect(
  StoreHands,
  Effect.gen(function* () {
    const db = yield* Db
    const run = (build: Parameters<typeof db.query>[0]) => Effect.asVoid(Effect.orDie(db.query(build)))
    return StoreHands.of({
      reset: Effect.andThen(
        run((sql) => sql`truncate video, worker cascade`),
        run((sql) => sql`update sweeper set last_run = clock_timestamp()`)
      ),
      splitIntoRanges: (job, count) =>
        Effect.andThen(
          run((sql) => sql`update task set kind = 'range', first_frame = 0, frame_count = 100 where job_id = ${job}`),
          run(
            (sql) =>
              sql`insert into task (job_id, kind, first_frame, frame_count)
                  select ${job}, 'range', 100 * n, 100 from generate_series(1, ${count - 1}) n`
          )
        ),
      expireLeases: run(
        (sql) => sql`update task set lease_expires_at = clock_timestamp() - interval '1 second' where state = 'leased'`
      ),
      endPauses: run((sql) => sql`update task set run_at = clock_timestamp() where state = 'queued'`),
      delayJob: (job, seconds) =>
        run((sql) => sql`update task set run_at = run_at + make_interval(secs => ${seconds}) where job_id = ${job}`),
      sweptAgo: (seconds) =>
        run((sql) => sql`update sweeper set last_run = clock_timestamp() - make_interval(secs => ${seconds})`),
      silenceWorkers: run((sql) => sql`update worker set last_heartbeat = last_heartbeat - interval '1 hour'`),
      pauseOf: (job) =>
        db
          .query<{ seconds: number }>(
            (sql) =>
              sql`select extract(epoch from run_at - clock_timestamp())::float8 as seconds from task where job_id = ${job}`
          )
          .pipe(
            Effect.map((rows) => rows[0]?.seconds ?? 0),
            Effect.orDie
          )
    })
  })
)

const stores = Layer.mergeAll(
  VideoStore.layer.pipe(Layer.provideMerge(Layer.mergeAll(JobStore.layer, WorkerRegistry.layer))),
  hands
).pipe(Layer.provide(TestDatabase.layerDb))

contract("the stores on PostgreSQL", stores, (test) => {
  claims(test)
  matching(test)
  leases(test)
  outputs(test)
  registration(test)
})
