/** Shows jobs as they go: bars that stay in place on a terminal, a line now and then where there is none. */
import { Clock, Effect } from "effect"
import { jobLine, jobLines, type ShownJob } from "./JobLines.ts"

const quietSeconds = 5

interface Output {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const onTerminal = (output: Output) => {
  let drawn = 0
  return (jobs: ReadonlyArray<ShownJob>) =>
    Effect.sync(() => {
      const lines = jobs.flatMap((job) => jobLines(job, output.columns ?? 80))
      const up = drawn === 0 ? "" : `\u001B[${drawn}A`
      output.write(`${up}\r\u001B[J${lines.map((line) => `${line}\n`).join("")}`)
      drawn = lines.length
    })
}

/** A change of what a job does is told at once, progress within it every few seconds. */
const inLog = (output: Output) => {
  const told = new Map<string, { readonly situation: string; readonly at: number }>()
  return Effect.fnUntraced(function* (jobs: ReadonlyArray<ShownJob>) {
    const now = yield* Clock.currentTimeMillis
    for (const job of jobs) {
      const situation = `${job.status} ${job.step}`
      const last = told.get(job.name)
      const due = job.status === "running" && last !== undefined && now - last.at >= quietSeconds * 1000
      if (last?.situation === situation && !due) continue
      told.set(job.name, { situation, at: now })
      output.write(`${jobLine(job)}\n`)
    }
  })
}

/** Each call shows the jobs as they are now. */
export const makeDisplay = (output: Output) => (output.isTTY === true ? onTerminal(output) : inLog(output))
