import { assert, layer } from "@effect/vitest"
import { Array as Arr, Effect, Fiber, Layer, Option, Result } from "effect"
import { Db, outsideTransaction } from "../../../src/adapters/postgres/Db.ts"
import * as PostgresJobStore from "../../../src/adapters/postgres/JobStore.ts"
import * as PostgresWorkerRegistry from "../../../src/adapters/postgres/WorkerRegistry.ts"
import type { LeaseId } from "../../../src/domain/ids.ts"
import { JobStore } from "../../../src/domain/ports/JobStore.ts"
import { WorkerRegistry } from "../../../src/domain/ports/WorkerRegistry.ts"
import { TestDatabase } from "../../support/postgres.ts"

const stores = Layer.mergeAll(PostgresJobStore.layer, PostgresWorkerRegistry.layer).pipe(
  Layer.provideMerge(TestDatabase.layerDb)
)

/** A job of so many tasks. */
const enqueue = Effect.fnUntraced(function* (slug: string, tasks: number) {
  const db = yield* Db
  yield* db.query(
    (sql) => sql`
      with v as (
        insert into video (slug, title, source_file_name, source_extension, source_bytes, source_sha256)
        values (${slug}, 'Film', 'film.mp4', '.mp4', 1, repeat('0', 64))
        returning id
      ), j as (
        insert into job (video_id) select id from v returning id
      )
      insert into task (job_id, kind, first_frame, frame_count)
      select id, 'range', 100 * n, 100 from j, generate_series(1, ${tasks}::int) n`
  )
})

const worker = Effect.gen(function* () {
  const registry = yield* WorkerRegistry
  const { id } = yield* registry.register({ name: Option.none(), type: "remote", capabilities: null, metadata: null })
  return id
})

layer(stores, { excludeTestServices: true, timeout: "60 seconds" })("A failure", (it) => {
  it.effect("is noted although another task of the job wants the same rows", () =>
    Effect.gen(function* () {
      const db = yield* Db
      const jobs = yield* JobStore
      yield* enqueue("film", 2)
      const id = yield* worker
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

  it.effect("is answered for itself when many come at once", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      yield* Effect.forEach([1, 2, 3], (n) => enqueue(`at-once-${n}`, n === 1 ? 2 : 1))
      const id = yield* worker
      const claim = Effect.map(jobs.claim({ worker: id, leaseSeconds: 60, job: Option.none() }), Option.getOrThrow)
      const [one, sibling, twice, other] = yield* Effect.all([claim, claim, claim, claim])
      const fail = ({ jobId, leaseId }: typeof one, retry: boolean, lease: LeaseId | null = leaseId) =>
        jobs.fail({ job: jobId }, { worker: id, lease }, { error: `of ${leaseId}`, retry }).pipe(
          Effect.map(({ attempt, willRetry }) => ({ attempt, willRetry })),
          Effect.mapError((error) => (error._tag === "LeaseRefused" ? error.reason : error)),
          Effect.result
        )
      const [first, second, again, repeated, retried, foreign] = yield* Effect.all(
        [
          fail(one, false),
          fail(sibling, true),
          fail(twice, false),
          fail(twice, false),
          fail(other, true, null),
          fail(one, false, other.leaseId)
        ],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(first, Result.succeed({ attempt: 1, willRetry: false }))
      assert.deepStrictEqual(second, Result.fail("cancelled"))
      assert.deepStrictEqual(again, Result.succeed({ attempt: 1, willRetry: false }))
      assert.deepStrictEqual(repeated, Result.fail("superseded"))
      assert.deepStrictEqual(retried, Result.succeed({ attempt: 1, willRetry: true }))
      assert.isTrue(Result.isFailure(foreign))

      const found = yield* jobs.jobsOf(Arr.map([one, twice, other], ({ jobId }) => jobId))
      assert.deepStrictEqual(
        found.map(({ lastError, status, tasks }) => [status, lastError, tasks.map(({ state }) => state)]),
        [
          ["failed", `of ${one.leaseId}`, ["failed", "cancelled"]],
          ["failed", `of ${twice.leaseId}`, ["failed"]],
          ["queued", null, ["queued"]]
        ]
      )
    })
  )
})
