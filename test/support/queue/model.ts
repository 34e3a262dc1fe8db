/** The queue as the domain's rules have it: what each command answers, and what it leaves. */
import { Result } from "effect"
import type { LeaseId, WorkerId } from "../../../src/domain/ids.ts"
import * as Task from "../../../src/domain/jobs/Task.ts"
import { stateOf } from "../../../src/domain/jobs/Job.ts"
import type { Command, Operating, Single, Writer } from "./Command.ts"

export const leaseSeconds = 30
export const maxAttempts = 2
/** After a longer pause the sweeper gives time before it takes any. */
const trustedPauseSeconds = 45

interface ModelTask {
  readonly id: number
  readonly job: number
  readonly priority: number
  readonly worker: WorkerId | null
  readonly task: Task.Task
}

interface ModelJob {
  readonly id: number
  readonly video: number
  readonly published: LeaseId | null
}

interface ModelAttempt {
  readonly lease: LeaseId
  readonly task: number
  readonly worker: WorkerId
  readonly claimedAt: number
  readonly ended: { readonly at: number; readonly outcome: string } | null
}

interface ModelFile {
  readonly lease: LeaseId
  readonly name: number
  readonly content: number
}

/** Times are seconds since the world began. */
export interface Model {
  readonly now: number
  readonly swept: number
  readonly workers: ReadonlyArray<WorkerId>
  /** What viewers see of each. */
  readonly videos: ReadonlyArray<{ readonly id: number; readonly published: LeaseId | null }>
  readonly jobs: ReadonlyArray<ModelJob>
  readonly tasks: ReadonlyArray<ModelTask>
  readonly attempts: ReadonlyArray<ModelAttempt>
  readonly files: ReadonlyArray<ModelFile>
}

export const start = (workers: ReadonlyArray<WorkerId>): Model => ({
  now: 0,
  swept: 0,
  workers,
  videos: [],
  jobs: [],
  tasks: [],
  attempts: [],
  files: []
})

/** What the store says to a command. Names that it made up are taken over, whatever they are. */
export type Answer =
  | { readonly _tag: "Uploaded"; readonly video: number; readonly job: number; readonly tasks: ReadonlyArray<number> }
  | { readonly _tag: "Claimed"; readonly task: number; readonly attempt: number; readonly lease: LeaseId }
  | { readonly _tag: "Failed"; readonly willRetry: boolean; readonly attempt: number }
  | {
      readonly _tag: "Swept"
      readonly requeued: number
      readonly failed: number
      readonly extended: boolean
    }
  | {
      readonly _tag:
        | "Done"
        | "Completed"
        | "Replayed"
        | "Nothing"
        | "Refused"
        | "Conflict"
        | "PublicationFailed"
        | "Skipped"
    }

export interface Caller {
  readonly task: ModelTask
  readonly worker: WorkerId
  readonly lease: LeaseId | null
}

const at = <A>(list: ReadonlyArray<A>, index: number): A | undefined => list[index % Math.max(1, list.length)]

/** Who a command's writer is. Newest first, so that small numbers are what goes on now. */
export const callerOf = (model: Model, by: Writer): Caller | null => {
  const attempt = at(model.attempts.toReversed(), by.attempt)
  if (attempt === undefined) return null
  const task = model.tasks.find(({ id }) => id === attempt.task)!
  // Workers of the older protocol take whole jobs, so that their name is enough.
  const isWhole = model.tasks.filter(({ job }) => job === task.job).length === 1
  const other = model.workers.find((worker) => worker !== attempt.worker)!
  return { task, worker: by.asOther ? other : attempt.worker, lease: by.named || !isWhole ? attempt.lease : null }
}

export const jobAt = (model: Model, index: number): ModelJob | undefined => at(model.jobs, index)

/** A video none of whose jobs is active. */
export const idleVideo = (model: Model, index: number) => {
  const video = at(model.videos, index)
  if (video === undefined) return undefined
  const isBusy = model.jobs.some((job) => job.video === video.id && jobState(model, job.id) === "active")
  return isBusy ? undefined : video
}

export const mostVideos = 3

export const jobState = (model: Model, job: number) =>
  stateOf(model.tasks.filter((task) => task.job === job).map(({ task }) => task.state))

/** The lease by which a caller holds its task: its own word, or the current one where its name is enough. */
const leaseOf = ({ lease, task, worker }: Caller): LeaseId | null => {
  const current = task.task.lease
  if (lease !== null) return current?.id === lease && current.worker !== worker ? null : lease
  return current !== null && current.worker === worker ? current.id : null
}

const change = (model: Model, id: number, task: Task.Task): Model => ({
  ...model,
  tasks: model.tasks.map((one) => (one.id === id ? { ...one, task } : one))
})

const end = (model: Model, lease: LeaseId, outcome: string): Model => ({
  ...model,
  attempts: model.attempts.map((one) => (one.lease === lease ? { ...one, ended: { at: model.now, outcome } } : one))
})

const changeTasks = (model: Model, job: number, changed: (one: ModelTask) => ModelTask): Model => ({
  ...model,
  tasks: model.tasks.map((one) => (one.job === job ? changed(one) : one))
})

const cancelTasks = (model: Model, job: number): Model => {
  let stopped = model
  for (const one of model.tasks.filter((other) => other.job === job)) {
    const cancelled = Task.cancel(one.task)
    if (Result.isFailure(cancelled)) continue
    const told = one.task.lease === null ? stopped : end(stopped, one.task.lease.id, "cancelled")
    stopped = change(told, one.id, cancelled.success)
  }
  return stopped
}

/** A task that failed fails its job, and stops the others of it. */
const stopSiblings = (model: Model, id: number): Model => {
  const { job, task } = model.tasks.find((one) => one.id === id)!
  return task.state === "failed" ? cancelTasks(model, job) : model
}

type Applied = readonly [Model, Answer]

const refused = (model: Model): Applied => [model, { _tag: "Refused" }]

const ended = (model: Model, caller: Caller, lease: LeaseId, outcome: string, task: Task.Task): Model =>
  stopSiblings(change(end(model, lease, outcome), caller.task.id, task), caller.task.id)

const claim = (model: Model, command: Extract<Command, { _tag: "Claim" }>, told: Answer, seen: Model): Applied => {
  const job = command.job === null ? undefined : jobAt(seen, command.job)
  if (command.job !== null && job === undefined) return [model, { _tag: "Skipped" }]
  const worker = model.workers[command.worker]!
  const lease = told._tag === "Claimed" ? told.lease : ("" as LeaseId)
  const claimed = (one: ModelTask) => Task.claim(one.task, { lease, worker, now: model.now, leaseMillis: leaseSeconds })
  const [first] = model.tasks
    .filter((one) => (job === undefined || one.job === job.id) && Result.isSuccess(claimed(one)))
    .toSorted((a, b) => b.priority - a.priority || a.task.runAt - b.task.runAt || a.id - b.id)
  if (first === undefined) return [model, { _tag: "Nothing" }]
  const task = Result.getOrThrow(claimed(first))
  return [
    {
      ...model,
      tasks: model.tasks.map((one) => (one.id === first.id ? { ...one, task, worker } : one)),
      attempts: [...model.attempts, { lease, task: first.id, worker, claimedAt: model.now, ended: null }]
    },
    { _tag: "Claimed", task: first.id, attempt: task.attempt, lease }
  ]
}

const register = (model: Model, command: Extract<Command, { _tag: "Register" }>, caller: Caller): Applied => {
  const lease = leaseOf(caller)
  if (lease === null || caller.task.task.lease?.id !== lease) return refused(model)
  const known = model.files.find((file) => file.lease === lease && file.name === command.file)
  if (known !== undefined) return [model, { _tag: known.content === command.content ? "Done" : "Conflict" }]
  const file = { lease, name: command.file, content: command.content }
  return [{ ...model, files: [...model.files, file] }, { _tag: "Done" }]
}

const complete = (model: Model, command: Extract<Command, { _tag: "Complete" }>, caller: Caller): Applied => {
  const lease = leaseOf(caller)
  // Whose name is enough finds its finished attempt too.
  const finished = model.attempts.find((one) => one.lease === caller.task.task.doneBy)
  const mine = finished?.worker === caller.worker && (caller.lease === null || caller.lease === finished.lease)
  if (mine) return [model, { _tag: "Replayed" }]
  if (lease === null || lease === caller.task.task.doneBy) return refused(model)
  const completed = Task.complete(caller.task.task, { lease })
  if (Result.isFailure(completed)) return refused(model)
  const after = ended(model, caller, lease, "done", completed.success)
  const { job } = caller.task
  if (jobState(after, job) !== "done") return [after, { _tag: "Completed" }]
  if (command.publicationFails) return [model, { _tag: "PublicationFailed" }]
  const video = after.jobs.find((one) => one.id === job)!.video
  return [
    {
      ...after,
      jobs: after.jobs.map((one) => (one.id === job ? { ...one, published: lease } : one)),
      videos: after.videos.map((one) => (one.id === video ? { ...one, published: lease } : one))
    },
    { _tag: "Completed" }
  ]
}

const fail = (model: Model, command: Extract<Command, { _tag: "Fail" }>, caller: Caller): Applied => {
  const lease = leaseOf(caller)
  if (lease === null) return refused(model)
  const failed = Task.fail(caller.task.task, { lease, error: "broken", retry: command.retry, now: inMillis(model) })
  if (Result.isFailure(failed)) return refused(model)
  const task = inSeconds(failed.success)
  return [
    ended(model, caller, lease, "failed", task),
    { _tag: "Failed", willRetry: task.state === "queued", attempt: task.attempt }
  ]
}

const renew = (model: Model, caller: Caller): Applied => {
  const lease = leaseOf(caller)
  if (lease === null) return refused(model)
  const renewed = Task.renew(caller.task.task, { lease, now: model.now, leaseMillis: leaseSeconds })
  return Result.isFailure(renewed) ? refused(model) : [change(model, caller.task.id, renewed.success), { _tag: "Done" }]
}

const release = (model: Model, caller: Caller): Applied => {
  const lease = leaseOf(caller)
  if (lease === null) return refused(model)
  const released = Task.release(caller.task.task, { lease, now: model.now })
  return Result.isFailure(released)
    ? refused(model)
    : [ended(model, caller, lease, "released", released.success), { _tag: "Done" }]
}

/** The pauses of the domain are in milliseconds. */
const inMillis = (model: Model) => model.now * 1000
const inSeconds = (task: Task.Task): Task.Task =>
  task.state === "queued" ? { ...task, runAt: task.runAt / 1000 } : task

const sweep = (model: Model): Applied => {
  const ticked = { ...model, swept: model.now }
  if (model.now - model.swept >= trustedPauseSeconds) {
    const tasks = ticked.tasks.map((one) => {
      const { lease } = one.task
      if (lease === null) return one
      const expiresAt = Math.max(lease.expiresAt, model.now + leaseSeconds)
      return { ...one, task: { ...one.task, lease: { ...lease, expiresAt } } }
    })
    return [
      { ...ticked, tasks },
      { _tag: "Swept", requeued: 0, failed: 0, extended: true }
    ]
  }
  let swept: Model = ticked
  const lapsed = model.tasks.filter(({ task }) => task.lease !== null && task.lease.expiresAt <= model.now)
  for (const { id, task } of lapsed) {
    const lease = task.lease!
    const gone = Task.expire({ ...task, lease: { ...lease, expiresAt: 0 } }, inMillis(model))
    const after = inSeconds(Result.getOrThrow(gone))
    swept = change(end(swept, lease.id, "expired"), id, after)
  }
  for (const { id } of lapsed) swept = stopSiblings(swept, id)
  const states = lapsed.map(({ id }) => swept.tasks.find((one) => one.id === id)!.task.state)
  const count = (state: Task.TaskState) => states.filter((each) => each === state).length
  return [swept, { _tag: "Swept", requeued: count("queued"), failed: count("failed"), extended: false }]
}

const add = (model: Model, priority: number, delay: number, told: Answer): Applied => {
  if (told._tag !== "Uploaded") return [model, { _tag: "Skipped" }]
  const { job, tasks, video } = told
  const known = model.videos.some(({ id }) => id === video)
  return [
    {
      ...model,
      videos: known ? model.videos : [...model.videos, { id: video, published: null }],
      jobs: [...model.jobs, { id: job, video, published: null }],
      tasks: [
        ...model.tasks,
        ...tasks.map((id) => ({ id, job, priority, worker: null, task: Task.queued(model.now + delay, maxAttempts) }))
      ]
    },
    told
  ]
}

/** What an operator does to a job: to those of its tasks that allow it, or not at all. */
const operate = (model: Model, command: Operating, seen: Model): Applied => {
  const job = jobAt(seen, command.job)
  if (job === undefined) return [model, { _tag: "Skipped" }]
  const state = jobState(model, job.id)
  const done: Answer = { _tag: "Done" }
  switch (command._tag) {
    case "Cancel":
      if (state === "cancelled") return [model, done]
      return state === "active" ? [cancelTasks(model, job.id), done] : refused(model)
    case "Retry": {
      const isBusy = model.jobs.some((one) => one.video === job.video && jobState(model, one.id) === "active")
      if (isBusy || state === "done") return refused(model)
      return [
        changeTasks(model, job.id, (one) => {
          const queued = Task.retry(one.task, model.now)
          return Result.isFailure(queued) ? one : { ...one, worker: null, task: queued.success }
        }),
        done
      ]
    }
    case "Prioritise":
      if (state !== "active") return refused(model)
      return [
        changeTasks(model, job.id, (one) =>
          Result.isFailure(Task.prioritise(one.task, command.priority)) ? one : { ...one, priority: command.priority }
        ),
        done
      ]
  }
}

/**
 * `told` is what the store answered: its made-up names are taken from there, and nothing else. `seen` is what there was
 * when the command was sent.
 */
export const apply = (model: Model, command: Single, told: Answer, seen: Model): Applied => {
  switch (command._tag) {
    case "Upload":
      return model.videos.length < mostVideos
        ? add(model, command.priority, command.delay, told)
        : [model, { _tag: "Skipped" }]
    case "Again":
      return idleVideo(model, command.video) === undefined
        ? [model, { _tag: "Skipped" }]
        : add(model, command.priority, 0, told)
    case "Claim":
      return claim(model, command, told, seen)
    case "Advance":
      return [{ ...model, now: model.now + command.seconds }, { _tag: "Done" }]
    case "Sweep":
      return sweep(model)
    case "Cancel":
    case "Retry":
    case "Prioritise":
      return operate(model, command, seen)
  }
  const sender = callerOf(seen, command.by)
  if (sender === null) return [model, { _tag: "Skipped" }]
  const caller = { ...sender, task: model.tasks.find(({ id }) => id === sender.task.id)! }
  switch (command._tag) {
    case "Renew":
      return renew(model, caller)
    case "Register":
      return register(model, command, caller)
    case "Complete":
      return complete(model, command, caller)
    case "Fail":
      return fail(model, command, caller)
    case "Release":
      return release(model, caller)
  }
}
