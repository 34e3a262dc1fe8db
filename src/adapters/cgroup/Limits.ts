/**
 * What the kernel lets this process use: control groups of version 1 and 2, and the set of processors. Read by
 * ourselves because Node.js rounds the time of processors to whole ones, and says nothing of version 1's.
 */
import { Effect } from "effect"
import { readFile } from "node:fs/promises"
import { availableParallelism, totalmem } from "node:os"
import { join } from "node:path"
import type { Allowance } from "../../domain/workers/Allowance.ts"

const read = (path: string): Promise<string> =>
  readFile(path, "utf8").then(
    (text) => text.trim(),
    () => ""
  )

const positive = (text: string | undefined): number | null => {
  const value = Number(text)
  return text === undefined || text === "" || !Number.isFinite(value) || value <= 0 ? null : value
}

/** `0-3,8`: five. */
const countOf = (set: string): number | null => {
  const count = set
    .split(",")
    .filter((part) => part !== "")
    .reduce((sum, part) => {
      const [first, last = first] = part.split("-").map(Number)
      return sum + (last ?? 0) - (first ?? 0) + 1
    }, 0)
  return positive(String(count))
}

const ratio = (quota: string | undefined, period: string | undefined): number | null => {
  const [time, of] = [positive(quota), positive(period)]
  return time === null || of === null ? null : time / of
}

/** A group and those that it lies in, up to the root: each may be narrower than the next. */
const upwards = (path: string): ReadonlyArray<string> => {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..")
  return Array.from({ length: parts.length + 1 }, (_, length) => parts.slice(0, parts.length - length).join("/"))
}

type Limit = "cpus" | "processors" | "memory"

/** Files of one group in one place; what is not there limits nothing. */
const limitsIn = async (folder: string): Promise<Readonly<Record<Limit, ReadonlyArray<number | null>>>> => {
  const [max, quota, period, effective, set, memory, memoryOne] = await Promise.all(
    [
      "cpu.max",
      "cpu.cfs_quota_us",
      "cpu.cfs_period_us",
      "cpuset.cpus.effective",
      "cpuset.cpus",
      "memory.max",
      "memory.limit_in_bytes"
    ].map((name) => read(join(folder, name)))
  )
  const [time, of] = (max ?? "").split(" ")
  return {
    cpus: [ratio(time, of), ratio(quota, period)],
    processors: [countOf(effective ?? ""), countOf(set ?? "")],
    memory: [positive(memory), positive(memoryOne)]
  }
}

/** `4:cpu,cpuacct:/pod/one` of version 1, `0::/pod/one` of version 2. A container may see only its own part of the path. */
const foldersOf = (root: string, line: string): ReadonlyArray<string> => {
  const [, controllers = "", ...path] = line.split(":")
  return upwards(path.join(":")).map((group) => join(root, "sys/fs/cgroup", controllers, group))
}

const least = (values: ReadonlyArray<number | null>) => values.reduce<number>((a, b) => Math.min(a, b ?? a), Infinity)

/** `root` is the folder that holds `proc` and `sys`. */
export const readAllowance = Effect.fn("Limits.read")(function* (
  root = "/",
  machine = { processors: availableParallelism(), memory: totalmem() }
): Effect.fn.Return<Allowance> {
  const groups = yield* Effect.promise(() => read(join(root, "proc/self/cgroup")))
  const folders = new Set(groups.split("\n").flatMap((line) => (line === "" ? [] : foldersOf(root, line))))
  const found = yield* Effect.promise(() => Promise.all([...folders].map(limitsIn)))
  const all = (limit: Limit) => least(found.flatMap((limits) => limits[limit]))
  const processors = Math.min(machine.processors, all("processors"))
  const memory = all("memory")
  return {
    processors,
    cpus: Math.min(processors, all("cpus")),
    // Version 1 says "no limit" with a number that is larger than any machine.
    memory: memory < machine.memory ? memory : null
  }
})
