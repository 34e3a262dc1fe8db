/**
 * One task, two workers, a network that loses, doubles, delays and reorders, processes that crash and come back under
 * the same name, leases that end at any moment, uploads whose bytes land long after they were let in, an operator who
 * cancels and who queues again. The transitions are those of the domain; the file store is modelled.
 */
import { Result } from "effect"
import * as Task from "../../../src/domain/jobs/Task.ts"
import type { Step } from "./explore.ts"
import { leaseId, workerId } from "./ids.ts"

/** Time stands still: what a lease has left is one moment or nothing, and a step takes it away. */
const now = 0
const leaseMillis = 1

type Answer = ReturnType<typeof Task.complete>

/** Who asks: an attempt is named by the number of its claim. */
export interface Caller {
  readonly run: number
  readonly worker: number
}

/** How the server judges and writes. The domain's rules, or a mutant of them. */
export interface Rules {
  readonly renew: (task: Task.Task, caller: Caller) => Answer
  readonly complete: (task: Task.Task, caller: Caller) => Answer
  readonly fail: (task: Task.Task, caller: Caller) => Answer
  readonly release: (task: Task.Task, caller: Caller) => Answer
  readonly cancel: (task: Task.Task) => Answer
  readonly retry: (task: Task.Task) => Answer
  /** Whether an upload may begin, and again whether its file becomes part of the attempt. */
  readonly mayUpload: (task: Task.Task, caller: Caller) => boolean
  /** Where an attempt's files lie, by number. */
  readonly folder: (caller: Caller) => number
  /** Tests and writes in two steps, with anything in between. */
  readonly checkThenAct: boolean
}

const runs = [1, 2] as const
const segments = [0, 1] as const
const workers = [1, 2] as const

const leases = [0, ...runs].map(leaseId)
const runOf = (id: Task.Lease["id"] | null | undefined): number => (id ? leases.indexOf(id) : 0)
const leaseOf = (caller: Caller) => leases[caller.run]!

export const domainRules: Rules = {
  renew: (task, caller) => Task.renew(task, { lease: leaseOf(caller), now, leaseMillis }),
  complete: (task, caller) => Task.complete(task, { lease: leaseOf(caller) }),
  fail: (task, caller) => Task.fail(task, { lease: leaseOf(caller), error: "", retry: true, now }),
  release: (task, caller) => Task.release(task, { lease: leaseOf(caller), now }),
  cancel: Task.cancel,
  retry: (task) => Task.retry(task, now),
  mayUpload: (task, caller) => task.lease?.id === leaseOf(caller),
  folder: (caller) => caller.run,
  checkThenAct: false
}

/** `UPDATE ... WHERE id = ?`, with nothing else asked. */
const leasedTo = (task: Task.Task, caller: Caller): Task.Task => ({
  ...task,
  state: "leased",
  lease: { id: leaseOf(caller), worker: workerId(caller.worker), expiresAt: now + 1 }
})

const taking = (as: (task: Task.Task, caller: Caller) => Caller): Rules => ({
  ...domainRules,
  renew: (task, caller) => domainRules.renew(task, as(task, caller)),
  complete: (task, caller) => domainRules.complete(task, as(task, caller)),
  fail: (task, caller) => domainRules.fail(task, as(task, caller)),
  release: (task, caller) => domainRules.release(task, as(task, caller)),
  mayUpload: (task, caller) => domainRules.mayUpload(task, as(task, caller))
})

/** Each lacks a rule, and what then goes wrong is the rule's reason to be. */
export const mutants = {
  "no lease test": taking((task, caller) => (task.lease === null ? caller : { ...caller, run: runOf(task.lease.id) })),
  "the worker's name instead of its lease": taking((task, caller) =>
    task.lease?.worker === workerId(caller.worker) ? { ...caller, run: runOf(task.lease.id) } : caller
  ),
  "one folder for all attempts": { ...domainRules, folder: () => 1 },
  "check, then act": { ...domainRules, checkThenAct: true },
  "a renewal revives": {
    ...domainRules,
    renew: (task, caller) =>
      domainRules.renew(task.lease === null ? task : { ...task, lease: { ...task.lease, expiresAt: now + 1 } }, caller)
  },
  "done is forgotten by a failure": {
    ...domainRules,
    fail: (task, caller) => domainRules.fail(task.doneBy === leaseOf(caller) ? leasedTo(task, caller) : task, caller)
  },
  "done is done, whoever asks": {
    ...domainRules,
    complete: (task, caller) => (task.state === "done" ? Result.succeed(task) : domainRules.complete(task, caller))
  },
  "a cancellation takes away what is done": {
    ...domainRules,
    cancel: (task) => Result.succeed({ ...task, state: "cancelled", lease: null, doneBy: null })
  },
  "a retry makes done work again": {
    ...domainRules,
    retry: (task) =>
      task.state === "done"
        ? Result.succeed({ ...task, state: "queued", attempt: 0, doneBy: null })
        : domainRules.retry(task)
  },
  "a cancelled worker keeps its lease": {
    ...domainRules,
    cancel: (task) => Result.map(domainRules.cancel(task), (cancelled) => ({ ...cancelled, lease: task.lease }))
  }
} satisfies Readonly<Record<string, Rules>>

type Kind = "renew" | "complete" | "fail" | "release" | "upload"

interface Message {
  readonly bit: number
  readonly kind: Kind
  readonly run: number
  readonly segment: number
}

const messages: ReadonlyArray<Message> = runs
  .flatMap((run) => [
    ...segments.map((segment) => ({ kind: "upload" as const, run, segment })),
    ...(["renew", "complete", "fail", "release"] as const).map((kind) => ({ kind, run, segment: 0 }))
  ])
  .map((message, position) => ({ ...message, bit: 1 << position }))

type Folders = ReadonlyArray<readonly [number, number]>

/** Sets of attempts are bits, `1 << run`; sets of messages are theirs. */
export interface World {
  readonly task: Task.Task
  /** The worker of each claim so far, from 1. */
  readonly owners: ReadonlyArray<number>
  /** Attempts whose worker has neither crashed nor given up. */
  readonly alive: number
  /**
   * Attempts that sent `complete`, and those that sent `fail` or `release`. Renewals and uploads need no noting: each
   * attempt may have sent them right after its claim. What was sent arrives never, once or often, in any order.
   */
  readonly completing: number
  readonly gaveUp: number
  /** Let in, not yet written. */
  readonly pending: number
  /** By folder and segment: the attempt whose bytes are there, 0 for none. */
  readonly files: Folders
  /** By folder and segment: the attempt whose digest the server noted. */
  readonly registered: Folders
  /** The folder that viewers read, 0 for none. */
  readonly published: number
  /** Attempts that were told that they completed the task. */
  readonly told: number
  /** What an operator may still do: cancel, and queue again. */
  readonly wishes: ReadonlyArray<"cancel" | "retry">
}

const empty: Folders = [0, ...runs].map(() => [0, 0] as const)

export const start: World = {
  task: Task.queued(now, 2),
  owners: [0],
  alive: 0,
  completing: 0,
  gaveUp: 0,
  pending: 0,
  files: empty,
  registered: empty,
  published: 0,
  told: 0,
  wishes: ["cancel", "retry"]
}

const taskKey = ({ attempt, doneBy, lease, state }: Task.Task) =>
  `${state}${attempt}${runOf(lease?.id)}${lease?.expiresAt}${runOf(doneBy)}`

const folderKey = (folders: Folders) => folders.reduce((sum, [first, second]) => (sum * 3 + first) * 3 + second, 0)

export const key = (world: World): string => {
  const { alive, completing, files, gaveUp, owners, pending, published, registered, told, wishes } = world
  const workers = `${owners.length}${owners.at(-1)}|${alive},${completing},${gaveUp},${pending}`
  return `${taskKey(world.task)}|${workers}|${folderKey(files)},${folderKey(registered)},${published},${told},${wishes.length}${wishes[0]}`
}

/** Waiting times may be over at any moment, and texts make no difference. */
const settled = (task: Task.Task): Task.Task => ({ ...task, runAt: now, lastError: null })

const withSegment = (folders: Folders, folder: number, segment: number, run: number): Folders =>
  folders.map((content, index) => {
    if (index !== folder) return content
    return segment === 0 ? ([run, content[1]] as const) : ([content[0], run] as const)
  })

const whole = (content: readonly [number, number], run: number) => content[0] === run && content[1] === run

/** Does what a message asks, and asks nothing that `rules` do not. */
const write = (world: World, message: Message, rules: Rules, task: Task.Task): World => {
  const caller = { run: message.run, worker: world.owners[message.run]! }
  if (message.kind === "upload") {
    // The bytes land first, wherever they were going; noting them is the conditional statement.
    const folder = rules.folder(caller)
    const landed = { ...world, files: withSegment(world.files, folder, message.segment, message.run) }
    return rules.mayUpload(world.task, caller)
      ? { ...landed, registered: withSegment(world.registered, folder, message.segment, message.run) }
      : landed
  }
  const answer = rules[message.kind](task, caller)
  if (Result.isFailure(answer)) return world
  const changed = { ...world, task: settled(answer.success) }
  if (message.kind !== "complete") return changed
  return {
    ...changed,
    told: world.told | (1 << message.run),
    published: world.task.state === "done" ? world.published : rules.folder(caller)
  }
}

/** A write by anyone but the current holder must leave the task as it was. */
const staleWrite = (before: World, message: Message, after: World): string | null =>
  message.kind === "upload" ||
  runOf(before.task.lease?.id) === message.run ||
  taskKey(before.task) === taskKey(after.task)
    ? null
    : `a stale ${message.kind} changed the task`

const isSent = (world: World, { kind, run }: Message): boolean => {
  if (kind === "complete") return (world.completing & (1 << run)) !== 0
  if (kind === "fail" || kind === "release") return (world.gaveUp & (1 << run)) !== 0
  return run < world.owners.length
}

function* workerSteps(world: World, rules: Rules): Generator<Step<World>> {
  const { alive, owners, task } = world
  const run = owners.length
  for (const worker of workers) {
    const isBusy = owners.some((owner, of) => owner === worker && (alive & (1 << of)) !== 0)
    // Which of two idle workers claims first makes no difference.
    if (isBusy || run > runs.length || (run === 1 && worker === 2)) continue
    const answer = Task.claim(task, { lease: leases[run]!, worker: workerId(worker), now, leaseMillis })
    if (Result.isFailure(answer)) continue
    const claimed = { ...world, task: answer.success, owners: [...owners, worker], alive: alive | (1 << run) }
    yield { label: `claims (attempt ${run}, worker ${worker})`, world: claimed }
  }
  for (const run of runs) {
    const bit = 1 << run
    if ((alive & bit) === 0) continue
    yield { label: `crashes and restarts (attempt ${run})`, world: { ...world, alive: alive & ~bit } }
    yield {
      label: `gives up (attempt ${run})`,
      world: { ...world, alive: alive & ~bit, gaveUp: world.gaveUp | bit }
    }
    // It saw that both of its files were taken.
    if (whole(world.registered[rules.folder({ run, worker: owners[run]! })]!, run)) {
      yield { label: `sends complete (attempt ${run})`, world: { ...world, completing: world.completing | bit } }
    }
  }
}

function* timeSteps(world: World): Generator<Step<World>> {
  const { task } = world
  if (task.lease !== null && task.lease.expiresAt > now) {
    yield { label: "the lease ends", world: { ...world, task: { ...task, lease: { ...task.lease, expiresAt: now } } } }
  }
  const expired = Task.expire(task, now)
  if (Result.isSuccess(expired)) {
    yield { label: "the sweeper takes it back", world: { ...world, task: settled(expired.success) } }
  }
}

/** Each wish once: what it does a second time it did the first. */
function* operatorSteps(world: World, rules: Rules): Generator<Step<World>> {
  for (const wish of world.wishes) {
    const wishes = world.wishes.filter((other) => other !== wish)
    const answer = rules[wish](world.task)
    if (Result.isSuccess(answer))
      yield { label: `the operator's ${wish}`, world: { ...world, wishes, task: settled(answer.success) } }
  }
}

function* serverSteps(world: World, rules: Rules): Generator<Step<World>> {
  const { task } = world
  for (const message of messages) {
    if (!isSent(world, message)) continue
    const { bit, kind, run, segment } = message
    const caller = { run, worker: world.owners[run]! }
    const waiting = { ...world, pending: world.pending | bit }
    if (kind === "upload") {
      if (rules.mayUpload(task, caller)) {
        yield { label: `lets an upload in (attempt ${run}, segment ${segment})`, world: waiting }
      }
      continue
    }
    const answer = rules[kind](task, caller)
    if (Result.isFailure(answer)) {
      yield { label: `refuses ${kind}: ${answer.failure} (attempt ${run})`, world }
    } else if (kind === "complete" && task.state !== "done" && !whole(world.registered[rules.folder(caller)]!, run)) {
      yield { label: `refuses complete: files (attempt ${run})`, world }
    } else if (rules.checkThenAct) {
      yield { label: `allows ${kind} (attempt ${run})`, world: waiting }
    } else {
      const after = write(world, message, rules, task)
      const manner = task.state === "done" ? "repeats" : task.lease?.expiresAt === now ? "takes late" : "takes"
      yield { label: `${manner} ${kind} (attempt ${run})`, world: after, violation: staleWrite(world, message, after) }
    }
  }
  for (const message of messages) {
    if ((world.pending & message.bit) === 0) continue
    const { bit, kind, run, segment } = message
    const after = write(
      { ...world, pending: world.pending & ~bit },
      message,
      rules,
      leasedTo(task, { run, worker: world.owners[run]! })
    )
    const manner = task.lease?.id === leases[run] ? "writes" : "writes late"
    yield {
      label: `${manner} ${kind} (attempt ${run}, segment ${segment})`,
      world: after,
      violation: staleWrite(world, message, after)
    }
  }
}

export function* next(world: World, rules: Rules): Generator<Step<World>> {
  yield* workerSteps(world, rules)
  yield* timeSteps(world)
  yield* operatorSteps(world, rules)
  yield* serverSteps(world, rules)
}

/** What must hold in every state, and across every step. */
export const violation = (world: World, before: World): string | null => {
  const { task } = world
  if ((task.lease !== null) !== (task.state === "leased")) return "a lease on a task that nobody works on"
  if (task.attempt > task.maxAttempts) return "more attempts than allowed"
  if (before.task.state === "done" && task.state !== "done") return "done did not stay done"
  if (before.task.state === "done" && before.task.doneBy !== task.doneBy)
    return "another attempt took over what was done"
  const revived =
    task.lease !== null &&
    before.task.lease?.id === task.lease.id &&
    before.task.lease.expiresAt <= now &&
    task.lease.expiresAt > now
  if (revived) return "a lease that had ended came back"
  const winner = runOf(task.doneBy)
  if (world.told !== 0 && world.told !== 1 << winner) return "a worker was told that it completed, but is not published"
  if ((task.state === "done") !== (world.published !== 0))
    return "published without being done, or done without being published"
  if (task.state !== "done") return null
  const [first, second] = world.files[world.published]!
  if (first !== second) return "viewers see a mixture of two attempts"
  return first === winner ? null : "viewers see another attempt than the one that completed"
}
