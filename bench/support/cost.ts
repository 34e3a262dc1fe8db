/** What child processes cost: wall clock, processor time and the most memory at once, as the kernel counts them. */
import { Effect } from "effect"
import { readFile } from "node:fs/promises"
import { setTimeout as sleep } from "node:timers/promises"
import { Subprocess } from "../../src/adapters/process/Subprocess.ts"

export interface Cost {
  /** Seconds. */
  readonly wall: number
  readonly cpu: number
  /** Bytes, of all that ran at once. */
  readonly peak: number
}

/** Clock ticks a second, in which the kernel counts for all programs on Linux. */
const ticks = 100

/** User and system time of all children of this process that have ended and were waited for. */
const childrenSeconds = async () => {
  const fields = (await readFile("/proc/self/stat", "utf8")).replace(/^.*\) /, "").split(" ")
  return (Number(fields[13]) + Number(fields[14])) / ticks
}

const running = new Map<number, number>()
let most = 0

const look = async (pid: number) => {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "")
  running.set(pid, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024)
  most = Math.max(
    most,
    [...running.values()].reduce((sum, bytes) => sum + bytes, 0)
  )
}

/** Runs a program to its end, and looks at its memory ten times a second. */
export const watched = Effect.fnUntraced(function* (program: string, args: ReadonlyArray<string>) {
  const child = yield* (yield* Subprocess).start(program, args, { stdout: "ignore" })
  const watch = async (signal: AbortSignal) => {
    while (!signal.aborted) {
      await look(child.pid)
      await sleep(100)
    }
  }
  yield* Effect.raceFirst(child.exit, Effect.promise(watch))
  running.delete(child.pid)
}, Effect.scoped)

export const measured = Effect.fnUntraced(function* <A, E, R>(work: Effect.Effect<A, E, R>) {
  const before = yield* Effect.promise(childrenSeconds)
  most = 0
  const began = performance.now()
  yield* work
  const wall = (performance.now() - began) / 1000
  const cpu = (yield* Effect.promise(childrenSeconds)) - before
  return { wall, cpu, peak: most } satisfies Cost
})
