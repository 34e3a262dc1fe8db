/** Claims of several replicas of the API, which know nothing of one another. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Option } from "effect"
import { Db } from "../../../src/adapters/postgres/Db.ts"
import * as PostgresJobStore from "../../../src/adapters/postgres/JobStore.ts"
import * as PostgresWorkerRegistry from "../../../src/adapters/postgres/WorkerRegistry.ts"
import { JobStore } from "../../../src/domain/ports/JobStore.ts"
import { WorkerRegistry } from "../../../src/domain/ports/WorkerRegistry.ts"
import { TestDatabase } from "../../support/postgres.ts"

const tasks = 120

const stores = PostgresWorkerRegistry.layer.pipe(Layer.provideMerge(TestDatabase.layerDb))

layer(stores, { excludeTestServices: true, timeout: "60 seconds" })("Claims of two replicas", (it) => {
  it.effect("give each task once", () =>
    Effect.gen(function* () {
      const db = yield* Db
      const registry = yield* WorkerRegistry
      yield* db.query(
        (sql) => sql`
          with videos as (
            insert into video (slug, title, source_file_name, source_extension, source_bytes, source_sha256)
            select 'film-' || n, 'Film', 'film.mp4', '.mp4', 1, repeat('0', 64) from generate_series(1, ${tasks}::int) n
            returning id
          ), jobs as (
            insert into job (video_id) select id from videos returning id
          )
          insert into task (job_id, kind) select id, 'whole' from jobs`
      )
      const replica = Layer.build(Layer.fresh(PostgresJobStore.layer)).pipe(Effect.map(Context.get(JobStore)))
      const replicas = yield* Effect.replicateEffect(replica, 2)
      const claimers = yield* Effect.forEach(
        replicas.flatMap((jobs) => Array.from({ length: 8 }, () => jobs)),
        (jobs) =>
          registry
            .register({ name: Option.none(), type: "remote", capabilities: null, metadata: null })
            .pipe(Effect.map(({ id }) => jobs.claim({ worker: id, leaseSeconds: 60, job: Option.none() })))
      )
      const claimed = yield* Effect.forEach(
        claimers,
        (claim) =>
          Effect.gen(function* () {
            const mine: Array<{ readonly task: number; readonly attempt: number }> = []
            for (let next = yield* claim; Option.isSome(next); next = yield* claim) {
              mine.push({ task: next.value.taskId, attempt: next.value.attempt })
            }
            return mine
          }),
        { concurrency: "unbounded" }
      )
      const given = claimed.flat()
      assert.strictEqual(given.length, tasks)
      assert.strictEqual(new Set(given.map(({ task }) => task)).size, tasks)
      assert.isTrue(given.every(({ attempt }) => attempt === 1))
    })
  )
})
