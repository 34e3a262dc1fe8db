/** What a worker may use of its machine, and how its tasks share that. */
import type { Encoder } from "../media/Encoder.ts"

export interface Allowance {
  /** Processors that a program sees: it starts threads for each of them, whatever it may use. */
  readonly processors: number
  /** Processors' worth of time: a container may see 64 and have the time of 4. */
  readonly cpus: number
  /** Bytes, or null where nothing but the machine itself is the limit. */
  readonly memory: number | null
}

/** One ffmpeg fills about so many processors: its filters and its muxers run one after the other. */
const cpusOfTask = 8

/** What ffmpeg takes for a ladder of a large source, and some room. */
const memoryOfTask = 2 * 1024 ** 3

/**
 * Tasks at once where the operator does not say: one a device, because each decodes, scales and encodes by itself; on
 * the processor one, and more where it has more processors than one ffmpeg can use. `chain`: what tasks may encode with.
 */
export const tasksAtOnce = (allowance: Allowance, chain: ReadonlyArray<Encoder>): number => {
  const devices = new Set(chain.map(({ device }) => device).filter((device) => device !== null))
  const wanted = devices.size > 0 ? devices.size : Math.floor(allowance.cpus / cpusOfTask)
  const room = allowance.memory === null ? wanted : Math.floor(allowance.memory / memoryOfTask)
  return Math.max(1, Math.min(wanted, room))
}

/**
 * Threads for each of so many tasks; null where ffmpeg's own count, one for each processor that it sees, is right. More
 * threads than time for them only wait for each other, and each holds pictures in memory.
 */
export const threadsOfTask = (allowance: Allowance, tasks: number): number | null => {
  const share = Math.max(1, Math.ceil(allowance.cpus / tasks))
  return share >= allowance.processors ? null : share
}
