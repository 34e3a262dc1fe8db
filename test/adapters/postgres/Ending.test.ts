import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Option } from "effect"
import { Db, outsideTransaction } from "../../../src/adapters/postgres/Db.ts"
import * as PostgresJobStore from "../../../src/adapters/postgres/JobStore.ts"
import * as PostgresWorkerRegistry from "../../../src/adapters/postgres/WorkerRegistry.ts"
import { JobStore } from "../../../src/domain/ports/JobStore.ts"
import { WorkerRegistry } from "../../../src/domain/ports/WorkerRegistry.ts"
import { TestDatabase } from "../../support/postgres.ts"

const stores = Layer.mergeAll(PostgresJobStore.layer, PostgresWorkerRegistry.layer).pipe(
  Layer.provideMerge(TestDatabase.layerDb)
)

layer(stores, { excludeTestServices: true, timeout: "60 seconds" })("A failure", (it) => {
  it.effect("is noted although another task of the job wants the same rows", () =>
    Effect.gen(function* () {
      const db = yield* Db
      const jobs = yield* JobStore
      const registry = yield* WorkerRegistry
      yield* db.query(
        (sql) => sql`
          with v as (
            insert into video (slug, title, source_file_name, source_extension, source_bytes, source_sha256)
            values ('film', 'Film', 'film.mp4', '.mp4', 1, repeat('0', 64))
            returning id
          ), j as (
            insert into job (video_id) select id from v returning id
          )
          insert into task (job_id, kind, first_frame, frame_count)
          select id, 'range', first, 100 from j, unnest(array[0, 100]) first`
      )
      const { id } = yield* registry.register({
        name: Option.none(),
        type: "remote",
        capabilities: null,
        metadata: null
      })
      const claim = jobs.claim({ worker: id, leaseSeconds: 60, job: Option.none() })
      const failing = Option.getOrThrow(yield* claim)
      const sibling = Option.getOrThrow(yield* claim)
      const lock = (task: number) => db.query((sql) => sql`select from task where id = ${task} for update`)
      const failed = yield* db.transaction(
        Effect.gen(function* () {
          yield* lock(sibling.taskId)
          const fiber = yield* jobs
            .fail({ job: failing.jobId }, { worker: id, lease: failing.leaseId }, { error: "broken", retry: false })
            .pipe(outsideTransaction, Effect.forkDetach)
          yield* Effect.sleep("300 millis")
          yield* lock(failing.taskId)
          return fiber
        })
      )
      assert.deepInclude(yield* Fiber.join(failed), { willRetry: false })
      const rows = yield* db.query((sql) => sql`select state from task order by id`)
      assert.deepEqual([...rows], [{ state: "failed" }, { state: "cancelled" }])
    })
  )
})
