/** Which tasks a request is about, and whether its sender holds them: the conditions of every fenced write, on `task t`. */
import type { Holder, Subject } from "../../domain/ports/JobStore.ts"
import type { Sql } from "./Db.ts"

export const about = (sql: Sql, subject: Subject) =>
  "job" in subject
    ? sql`t.job_id = ${subject.job}`
    : sql`t.job_id in (select id from job where video_id = ${subject.video})`

/** Holding is being the worker, and naming the current lease where one is named. */
export const heldBy = (sql: Sql, holder: Holder) =>
  sql`t.state = 'leased' and t.worker_id = ${holder.worker} and (${holder.lease}::uuid is null or t.lease_id = ${holder.lease}::uuid)`
