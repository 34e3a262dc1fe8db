/** The wish to transcode a video: made of tasks, ended and published as a whole. */
import { Schema } from "effect"
import { JobId, LeaseId, TaskId, VideoId, WorkerId } from "../ids.ts"
import { Slug } from "../videos/Slug.ts"
import { Progress } from "./Progress.ts"
import { TaskKind, TaskState } from "./Task.ts"

export const JobState = Schema.Literals(["active", "done", "failed", "cancelled"])
export type JobState = typeof JobState.Type

/** A job ends when its tasks have: done with the last of them, failed with the first that fails. */
export const stateOf = (tasks: ReadonlyArray<TaskState>): JobState => {
  if (tasks.includes("failed")) return "failed"
  if (tasks.includes("cancelled")) return "cancelled"
  return tasks.length > 0 && tasks.every((task) => task === "done") ? "done" : "active"
}

/** What people see of an active job. */
export const JobStatus = Schema.Literals(["queued", "running", "done", "failed", "cancelled"])
export type JobStatus = typeof JobStatus.Type

const TaskView = Schema.Struct({
  id: TaskId,
  kind: TaskKind,
  state: TaskState,
  attempt: Schema.Int,
  maxAttempts: Schema.Int,
  worker: Schema.NullOr(WorkerId),
  workerName: Schema.NullOr(Schema.String),
  progress: Schema.NullOr(Progress),
  lastError: Schema.NullOr(Schema.String)
})
interface TaskView extends Schema.Schema.Type<typeof TaskView> {}

export const Job = Schema.Struct({
  id: JobId,
  videoId: VideoId,
  slug: Slug,
  status: JobStatus,
  priority: Schema.Int,
  published: Schema.NullOr(LeaseId),
  createdAt: Schema.Date,
  endedAt: Schema.NullOr(Schema.Date),
  lastError: Schema.NullOr(Schema.String),
  tasks: Schema.Array(TaskView)
})
export interface Job extends Schema.Schema.Type<typeof Job> {}

/** Says how far the job is, where one thing is to be said of several tasks. */
export const furthestBehind = (job: Job): TaskView | undefined =>
  job.tasks.toSorted((a, b) => (a.progress?.percent ?? 0) - (b.progress?.percent ?? 0))[0]
