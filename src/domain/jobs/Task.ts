/**
 * The unit of work that a worker claims, and its state machine. Every transition is a pure function of the task, the
 * caller's lease and the time; the PostgreSQL store writes the same rules as one conditional statement each.
 */
import { Result, Schema } from "effect"
import type { LeaseId, WorkerId } from "../ids.ts"

export const TaskState = Schema.Literals(["queued", "leased", "done", "failed", "cancelled"])
export type TaskState = typeof TaskState.Type

/**
 * What a task covers. `whole`: everything, pictures and sound. `range`: pictures of frames [first, first + count).
 * `audio`: the sound of the whole source, because a lossy audio codec cannot be joined without a click.
 */
export const TaskKind = Schema.Literals(["whole", "range", "audio"])
export type TaskKind = typeof TaskKind.Type

export interface Lease {
  readonly id: LeaseId
  readonly worker: WorkerId
  readonly expiresAt: number
}

/** Times are milliseconds of the one clock that counts. */
export interface Task {
  readonly state: TaskState
  readonly priority: number
  readonly attempt: number
  readonly maxAttempts: number
  readonly runAt: number
  readonly lease: Lease | null
  readonly doneBy: LeaseId | null
  readonly lastError: string | null
}

const defaultMaxAttempts = 5

export const queued = (runAt: number, maxAttempts = defaultMaxAttempts): Task => ({
  state: "queued",
  priority: 0,
  attempt: 0,
  maxAttempts,
  runAt,
  lease: null,
  doneBy: null,
  lastError: null
})

/**
 * Why a transition was refused. `expired`: still nobody else's, but too late to renew. `ended`: the task is over.
 * `not-ended`: it is not.
 */
export type Refusal = "not-claimable" | "not-holder" | "expired" | "ended" | "not-ended"

type Transition = Result.Result<Task, Refusal>

export const isTerminal = (task: Task): boolean =>
  task.state === "done" || task.state === "failed" || task.state === "cancelled"

/** Seconds before a task is tried again: 5, 10, 20, ... up to five minutes. */
export const backoffSeconds = (attempt: number): number => Math.min(300, 5 * 2 ** Math.max(0, attempt - 1))

/** Counts the attempt at once: a task that kills its workers must run out of attempts. */
export const claim = (
  task: Task,
  options: { readonly lease: LeaseId; readonly worker: WorkerId; readonly now: number; readonly leaseMillis: number }
): Transition =>
  task.state === "queued" && task.runAt <= options.now
    ? Result.succeed({
        ...task,
        state: "leased",
        attempt: task.attempt + 1,
        lease: { id: options.lease, worker: options.worker, expiresAt: options.now + options.leaseMillis }
      })
    : Result.fail("not-claimable")

/** Only the current lease may write, expired or not. */
const held = (task: Task, lease: LeaseId): Result.Result<Lease, Refusal> => {
  if (task.lease?.id === lease) return Result.succeed(task.lease)
  return Result.fail(isTerminal(task) ? "ended" : "not-holder")
}

/** Never revives an expired lease: expired means that the next one who asks gets the task. */
export const renew = (
  task: Task,
  options: { readonly lease: LeaseId; readonly now: number; readonly leaseMillis: number }
): Transition =>
  Result.flatMap(held(task, options.lease), (lease) =>
    lease.expiresAt <= options.now
      ? Result.fail("expired")
      : Result.succeed({
          ...task,
          lease: { ...lease, expiresAt: Math.max(lease.expiresAt, options.now + options.leaseMillis) }
        })
  )

/** Accepted late while the lease is still the current one: nobody else has started, and hours of work are saved. */
export const complete = (task: Task, options: { readonly lease: LeaseId }): Transition => {
  if (task.doneBy === options.lease) return Result.succeed(task)
  return Result.map(held(task, options.lease), () => ({ ...task, state: "done", lease: null, doneBy: options.lease }))
}

const endAttempt = (
  task: Task,
  options: { readonly error: string; readonly retry: boolean; readonly now: number }
): Task =>
  options.retry && task.attempt < task.maxAttempts
    ? {
        ...task,
        state: "queued",
        lease: null,
        lastError: options.error,
        runAt: options.now + backoffSeconds(task.attempt) * 1000
      }
    : { ...task, state: "failed", lease: null, lastError: options.error }

export const fail = (
  task: Task,
  options: { readonly lease: LeaseId; readonly error: string; readonly retry: boolean; readonly now: number }
): Transition => Result.map(held(task, options.lease), () => endAttempt(task, options))

/** A worker that is told to stop gives the task back: it does not count as an attempt and is claimable at once. */
export const release = (task: Task, options: { readonly lease: LeaseId; readonly now: number }): Transition =>
  Result.map(held(task, options.lease), () => ({
    ...task,
    state: "queued",
    attempt: task.attempt - 1,
    lease: null,
    runAt: options.now
  }))

export const lostWorker = "The worker stopped answering and its lease ran out"

/** What the sweeper does with a task whose lease has run out. */
export const expire = (task: Task, now: number): Transition =>
  task.lease !== null && task.lease.expiresAt <= now
    ? Result.succeed(endAttempt(task, { error: lostWorker, retry: true, now }))
    : Result.fail("not-claimable")

export const cancel = (task: Task): Transition =>
  isTerminal(task) ? Result.fail("ended") : Result.succeed({ ...task, state: "cancelled", lease: null })

/** When an operator asks. What is done stays done; the rest begins anew, as if it had never been tried. */
export const retry = (task: Task, now: number): Transition => {
  if (task.state === "done") return Result.fail("ended")
  if (!isTerminal(task)) return Result.fail("not-ended")
  return Result.succeed({ ...task, state: "queued", attempt: 0, runAt: now, lastError: null })
}

export const prioritise = (task: Task, priority: number): Transition =>
  isTerminal(task) ? Result.fail("ended") : Result.succeed({ ...task, priority })
