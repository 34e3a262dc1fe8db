/** A server as a program of its own, and what it has cost so far, as the kernel counts. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { makeReplica } from "./replicas.ts"

export interface Running {
  readonly address: string
  readonly pid: number
  stop(): Promise<void>
}

export const startBare = async (kind: string, folder: string): Promise<Running> => {
  const program = fileURLToPath(new URL("bare.ts", import.meta.url))
  const child = spawn(process.execPath, [program, kind, folder], { stdio: ["ignore", "pipe", "inherit"] })
  const [port] = (await once(child.stdout, "data")) as [Buffer]
  return {
    address: `http://127.0.0.1:${port.toString().trim()}`,
    pid: child.pid!,
    stop: async () => {
      const gone = once(child, "exit")
      child.kill("SIGKILL")
      await gone
    }
  }
}

export const startOurs = async (program: string, env: Readonly<Record<string, string>>): Promise<Running> => {
  const replica = await makeReplica(program, env)
  await replica.start()
  return { address: replica.address, pid: replica.pid(), stop: () => replica.kill() }
}

/** Clock ticks a second, in which the kernel counts for all programs on Linux. */
const ticks = 100

/** Two counts of a program, added. */
const secondsOf = async (pid: number, first: number) => {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /, "").split(" ")
  return (Number(fields[first]) + Number(fields[first + 1])) / ticks
}

/** Seconds of processor time. */
export const cpuOf = (pid: number) => secondsOf(pid, 11)

/** Those of the programs that it ran and that have ended. */
export const childrenCpuOf = (pid: number) => secondsOf(pid, 13)

/** The most bytes of memory that it has had at once. */
export const peakOf = async (pid: number) =>
  Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024
