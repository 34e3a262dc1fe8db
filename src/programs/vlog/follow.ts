/** Shows jobs until each has ended. */
import { Effect, Schedule, Schema, Stream } from "effect"
import { makeDisplay } from "../../adapters/terminal/Display.ts"
import type { JobId } from "../../domain/ids.ts"
import { type Job, shown } from "../output/shownJob.ts"
import { Json } from "../output/Json.ts"
import { ask, Farm } from "./Farm.ts"
import { NotThere, type Problem, unreachable } from "./problems.ts"

class NotPublished extends Schema.TaggedError<NotPublished>()("NotPublished", {
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.problems.join("\nerror: ")
  }
}

const hasEnded = ({ status }: Job) => status === "done" || status === "failed" || status === "cancelled"

/** An API that is started anew is away for a moment. */
const patience = Schedule.max([Schedule.spaced("2 seconds"), Schedule.recurs(30)])

/** A connection may be dead without anybody saying so: one on which nothing happens is made again. */
const silence = "1 minute"

const ended = (job: Job | undefined) => job !== undefined && hasEnded(job)

const show = (id: JobId): Effect.Effect<Job, Problem, Farm> => ask((api) => api.jobs.show({ params: { job_id: id } }))

const poll = (id: JobId, tell: (job: Job) => Effect.Effect<void>) =>
  show(id).pipe(Effect.tap(tell), Effect.repeat({ until: hasEnded, schedule: Schedule.spaced("1 second") }))

/** Until its stream ends, for whatever reason; the state that was told last. */
const listen = Effect.fnUntraced(function* (id: JobId, tell: (job: Job) => Effect.Effect<void>) {
  const farm = yield* Farm
  const gone = new NotThere({ problem: `job ${id} was deleted with its video` })
  const events = yield* ask((api) => api.jobs.follow({ params: { job_id: id } }))
  let last: Job | undefined
  yield* events.pipe(
    Stream.timeoutOrElse({ duration: silence, orElse: () => Stream.empty }),
    Stream.mapError((error) => unreachable(farm, error)),
    Stream.runForEach((event) => {
      if (event.event === "gone") return gone
      last = event.data
      return tell(event.data)
    })
  )
  return last
})

const untilEnded = Effect.fnUntraced(function* (id: JobId, tell: (job: Job) => Effect.Effect<void>) {
  // What does not exist is not waited for.
  yield* show(id)
  const follow = listen(id, tell).pipe(
    Effect.repeat({ until: ended }),
    // The job is there, so that it is the events which this server does not have.
    Effect.catchTag("NotThere", () => poll(id, tell))
  )
  return yield* Effect.retry(follow, {
    while: ({ _tag }) => _tag === "Unreachable" || _tag === "Busy",
    schedule: patience
  })
})

/** Fails when one of them is not there. The bars are no result: with `--json` they go elsewhere. */
export const follow = Effect.fnUntraced(function* (ids: ReadonlyArray<JobId>) {
  const display = makeDisplay((yield* Json) ? process.stderr : process.stdout)
  const states = new Map<JobId, Job>()
  const tell = (job: Job) => {
    states.set(job.id, job)
    const known = ids.flatMap((id) => states.get(id) ?? [])
    return known.length < ids.length ? Effect.void : display(known.map(shown))
  }
  yield* Effect.forEach(ids, (id) => untilEnded(id, tell), { concurrency: "unbounded", discard: true })
  return ids.flatMap((id) => states.get(id) ?? [])
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
