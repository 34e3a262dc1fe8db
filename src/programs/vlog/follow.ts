/** Shows jobs until each has ended. */
import { Effect, Schedule, Schema } from "effect"
import { makeDisplay } from "../../adapters/terminal/Display.ts"
import type { ShownJob } from "../../adapters/terminal/JobLines.ts"
import type { JobAnswer } from "../../adapters/worker-api/contract/Jobs.ts"
import type { JobId } from "../../domain/ids.ts"
import { Json } from "../output/Json.ts"
import { ask, type Farm } from "./Farm.ts"
import type { Problem } from "./problems.ts"

export type Job = typeof JobAnswer.Type

class NotPublished extends Schema.TaggedError<NotPublished>()("NotPublished", {
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.problems.join("\nerror: ")
  }
}

const shown = (job: Job): ShownJob => ({
  name: job.video_slug,
  status: job.status,
  step: job.progress.step,
  percent: job.progress.percent,
  renditions: job.progress.renditions,
  problem: job.last_error
})

const hasEnded = ({ status }: Job) => status === "done" || status === "failed" || status === "cancelled"

/** An API that is started anew is away for a moment. */
const patience = Schedule.max([Schedule.spaced("2 seconds"), Schedule.recurs(30)])

const askAll = (ids: ReadonlyArray<JobId>) =>
  Effect.forEach(ids, (id): Effect.Effect<Job, Problem, Farm> =>
    ask((api) => api.jobs.show({ params: { job_id: id } }))
  )

/** Fails when one of them was not published. The bars are no result: with `--json` they go elsewhere. */
export const follow = Effect.fnUntraced(function* (ids: ReadonlyArray<JobId>) {
  const display = makeDisplay((yield* Json) ? process.stderr : process.stdout)
  // What does not exist is not waited for.
  yield* askAll(ids)
  return yield* askAll(ids).pipe(
    Effect.retry({ while: ({ _tag }) => _tag === "Unreachable" || _tag === "Busy", schedule: patience }),
    Effect.tap((jobs) => display(jobs.map(shown))),
    Effect.repeat({ until: (jobs) => jobs.every(hasEnded), schedule: Schedule.spaced("1 second") })
  )
})

export const assertPublished = (jobs: ReadonlyArray<Job>) => {
  const failed = jobs.filter(({ status }) => status !== "done")
  return failed.length === 0
    ? Effect.void
    : Effect.fail(
        new NotPublished({
          problems: failed.map(
            ({ id, last_error, status, video_slug }) =>
              `job ${id} (${video_slug}) is ${status}${last_error === null ? "" : `: ${last_error}`}`
          )
        })
      )
}
