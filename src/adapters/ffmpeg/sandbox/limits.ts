/** What one ffmpeg may use of the machine. The kernel holds it to that, whatever is in the file that it reads. */
import { availableParallelism, totalmem } from "node:os"

/** No segment is as large: a file that grows beyond this is a muxer gone wild. */
const fileBytes = 1024 ** 3

/** A probe decodes a picture or two, with one thread. */
export const probeMemory = 1024 ** 3

/** Every thread of an encoder takes some, whether it has to do or not. */
const memoryPerProcessor = 200 * 1024 ** 2

/**
 * Three quarters of what this machine or container has, so that a bomb ends ffmpeg and not the worker beside it, but
 * never so little that an honest encode on many processors would not start.
 */
export const encodeMemory = (): number => {
  const whole = Math.min(totalmem(), process.constrainedMemory() || Infinity)
  return Math.floor(Math.max(whole * 0.75, 1024 ** 3 + availableParallelism() * memoryPerProcessor))
}

/** Words of prlimit. A driver of a device maps more than it uses, so that its memory is not limited. */
export const limits = (program: string, memory: number | null): ReadonlyArray<string> => [
  program,
  "--core=0",
  `--fsize=${fileBytes}`,
  ...(memory === null ? [] : [`--data=${memory}`]),
  "--"
]
