/** Each takes a rule out of the store, and what then goes wrong is the rule's reason to be. */
import { Effect, Layer } from "effect"
import { Db } from "../../../src/adapters/postgres/Db.ts"
import { about, heldBy } from "../../../src/adapters/postgres/Holding.ts"
import * as PostgresJobStore from "../../../src/adapters/postgres/JobStore.ts"
import { type Holder, JobStore, LeaseRefused, type Subject } from "../../../src/domain/ports/JobStore.ts"
import { type Rewriting, rewritten } from "./rewrittenDb.ts"
import { InBetween } from "./store.ts"

/** By a change of the SQL. */
export const rewritings: Readonly<Record<string, Rewriting>> = {
  "no lease test": { from: "::uuid is null or t.lease_id = ", to: "::uuid is null or true or t.lease_id = " },
  "no worker test": { from: "and t.worker_id = ", to: "and gen_random_uuid() <> " },
  "done is forgotten by a late write": { from: "t.state = 'leased' and t.worker_id", to: "t.worker_id" },
  "a renewal revives": { from: "and t.lease_expires_at > clock_timestamp()", to: "" },
  "attempts are not counted at the claim": { from: "t.attempt + 1,", to: "t.attempt," },
  "a release uses an attempt up": { from: "t.attempt - 1,", to: "t.attempt," },
  "the lease is not minted anew": {
    from: "= gen_random_uuid(),",
    to: "= coalesce((select a.lease_id from attempt a where a.task_id = t.id limit 1), gen_random_uuid()),"
  },
  "a claim does not wait for the time": { from: "and run_at <= now()", to: "" },
  "the least urgent first": { from: "order by priority desc, run_at, id", to: "order by priority, run_at, id" },
  "a claim locks nothing": {
    from: "\n             for update skip locked\n        ), leased",
    to: "\n        ), leased"
  },
  "the sweeper takes from the living": { from: "and t.lease_expires_at <= clock_timestamp()", to: "" },
  "the sweeper does not forgive an outage": {
    from: "returning before.last_run > ",
    to: "returning true or before.last_run > "
  },
  "no task is ever given up": { from: "case when not (e.retry and t.attempt < t.max_attempts)", to: "case when false" },
  "a failed task leaves its siblings alone": {
    from: "where t.state in ('queued', 'leased') and t.id not",
    to: "where false and t.id not"
  },
  "no pause before the next try": { from: "5 * 2 ^ greatest", to: "0 * 2 ^ greatest" },
  "a cancelled job lets its workers go on": {
    from: "and t.state in ('queued', 'leased')\n             order by t.id",
    to: "and (t.state = 'queued' or t.job_id < 0)\n             order by t.id"
  },
  "a retried job has no attempts left": { from: "attempt = 0, run_at", to: "attempt = t.attempt, run_at" },
  "what is done is done again by a retry": {
    from: "and t.state in ('failed', 'cancelled')",
    to: "and t.state in ('failed', 'cancelled', 'done')"
  },
  "a priority changes for the job alone": { from: "set priority = ", to: "set priority = 0 * " },
  "whoever asks is told that it completed": { from: "and a.lease_id = t.done_by", to: "and t.state = 'done'" },
  "all attempts write to the first one's folder": {
    from: "select t.lease_id, ",
    to: "select (select a.lease_id from attempt a where a.task_id = t.id order by a.claimed_at limit 1), "
  },
  "a file is replaced": { from: "do update set name = excluded.name", to: "do update set sha256 = excluded.sha256" },
  "a job is done with its first task": { from: "and state <> 'done' limit 1", to: "and false limit 1" }
}

/** A completion is several statements. */
const apart = Layer.effect(
  Db,
  Effect.map(Db, (db) => Db.of({ ...db, transaction: (effect) => effect }))
)

const nobodyTests: ReadonlyArray<Rewriting> = [
  { from: "t.state = 'leased' and t.worker_id = ", to: "gen_random_uuid() <> " },
  { from: "::uuid is null or t.lease_id = ", to: "::uuid is null or true or t.lease_id = " }
]

/** Looks whether the lease is the current one, and then writes without looking. */
const checkThenAct = Layer.effect(
  JobStore,
  Effect.gen(function* () {
    const db = yield* Db
    const jobs = yield* JobStore
    const checked =
      <Arguments extends ReadonlyArray<unknown>, A, E>(
        write: (subject: Subject, holder: Holder, ...rest: Arguments) => Effect.Effect<A, E>
      ) =>
      (subject: Subject, holder: Holder, ...rest: Arguments): Effect.Effect<A, E | LeaseRefused> =>
        Effect.gen(function* () {
          const held = yield* Effect.orDie(
            db.query((sql) => sql`select from task t where ${heldBy(sql, holder)} and ${about(sql, subject)}`)
          )
          if (held.length === 0) return yield* new LeaseRefused({ reason: "superseded" })
          yield* yield* InBetween
          return yield* write(subject, holder, ...rest)
        })
    return JobStore.of({
      ...jobs,
      renew: checked(jobs.renew),
      fail: checked(jobs.fail),
      release: checked(jobs.release)
    })
  })
).pipe(Layer.provide(PostgresJobStore.layer.pipe(Layer.provide(rewritten(nobodyTests)))))

/** By another way to work. */
export const stores: Readonly<Record<string, Layer.Layer<JobStore, unknown, Db>>> = {
  "a completion is not one transaction": PostgresJobStore.layer.pipe(Layer.provide(apart)),
  "check, then act": checkThenAct
}
