/** Why a conditional write touched no row. */
import { Effect, Schema } from "effect"
import { TaskState } from "../../../domain/jobs/Task.ts"
import type { Holder, Subject } from "../../../domain/ports/JobStore.ts"
import { LeaseRefused } from "../../../domain/ports/JobStore.ts"
import { Db } from "../Db.ts"
import { about } from "../Holding.ts"

const Situation = Schema.Struct({
  state: TaskState,
  current: Schema.Boolean,
  done: Schema.Boolean,
  live: Schema.Boolean,
  known: Schema.Boolean
})

export const makeRefusal = Effect.map(Db, (db) => {
  /** Whether the task went away with its video while the holder had it. */
  const wasRemoved = Effect.fnUntraced(function* (subject: Subject, holder: Holder) {
    const rows = yield* db.query(
      (sql) =>
        sql`
        select from removed_lease
         where worker_id = ${holder.worker}
           and (${holder.lease}::uuid is null or lease_id = ${holder.lease}::uuid)
           and ${"job" in subject ? sql`job_id = ${subject.job}` : sql`video_id = ${subject.video}`}
         limit 1`
    )
    return rows.length > 0
  })

  return Effect.fnUntraced(function* (subject: Subject, holder: Holder) {
    const tasks = yield* db.rows(
      Situation,
      (sql) =>
        sql`
        select t.state,
               t.worker_id = ${holder.worker} and t.state = 'leased'
                 and (${holder.lease}::uuid is null or t.lease_id = ${holder.lease}::uuid)   as "current",
               t.state = 'leased' and t.lease_expires_at > clock_timestamp()                 as "live",
               exists (select from attempt a where a.task_id = t.id and a.worker_id = ${holder.worker}) as "known",
               exists (select from attempt a
                        where a.task_id = t.id
                          and a.worker_id = ${holder.worker}
                          and a.lease_id = t.done_by
                          and (${holder.lease}::uuid is null or a.lease_id = ${holder.lease}::uuid)) as "done"
          from task t
         where ${about(sql, subject)}`
    )
    const mine = tasks.find((task) => task.current)
    if (tasks.length === 0) {
      return new LeaseRefused({ reason: (yield* wasRemoved(subject, holder)) ? "cancelled" : "not-found" })
    }
    if (!tasks.some((task) => task.known)) return new LeaseRefused({ reason: "never-held" })
    if (mine !== undefined) return new LeaseRefused({ reason: mine.live ? "superseded" : "expired" })
    if (tasks.some((task) => task.done)) return new LeaseRefused({ reason: "ended" })
    if (tasks.some((task) => task.state === "cancelled")) return new LeaseRefused({ reason: "cancelled" })
    return new LeaseRefused({ reason: "superseded" })
  })
})
