/** Shows what becomes of uploads. */
import { Effect, Stream } from "effect"
import { makeDisplay } from "../../adapters/terminal/Display.ts"
import type { ShownJob } from "../../adapters/terminal/JobLines.ts"
import type { VideoWithJob } from "../../adapters/worker-api/contract/Videos.ts"
import type { JobId } from "../../domain/ids.ts"
import { type Job, shown } from "../output/shownJob.ts"
import { startError } from "./StartError.ts"
import type { Farm } from "./uploads.ts"

const published = (slug: string): ShownJob => ({
  name: slug,
  status: "done",
  step: null,
  percent: 100,
  renditions: [],
  problem: null
})

const deleted = (id: JobId) => startError(`Job ${id} was deleted with its video`)

/** Until its stream ends, which it does before the job when an hour is over. Tells whether it was the job that ended. */
const listen = (farm: Farm, id: JobId, tell: (job: Job) => Effect.Effect<void>) =>
  Effect.suspend(() => {
    let ended = false
    return farm.client.jobs.follow({ params: { job_id: id } }).pipe(
      Effect.flatMap(
        Stream.runForEach((event) => {
          if (event.event === "gone") return deleted(id)
          ended = event.event === "end"
          return tell(event.data)
        })
      ),
      Effect.map(() => ended)
    )
  })

/** Shows the jobs until each has ended. One that is published already may have no job any more. */
export const follow = Effect.fnUntraced(function* (farm: Farm, uploads: ReadonlyArray<typeof VideoWithJob.Type>) {
  const display = makeDisplay(process.stdout)
  const states = new Map(
    uploads.map(({ job, video }) => [video.slug, job === null ? published(video.slug) : shown(job)])
  )
  const all = Effect.suspend(() => display([...states.values()]))
  const tell = (job: Job) => {
    states.set(job.video_slug, shown(job))
    return all
  }
  yield* all
  yield* Effect.forEach(
    uploads.flatMap(({ job }) => job ?? []),
    ({ id }) => Effect.repeat(listen(farm, id, tell), { until: (ended) => ended }),
    { concurrency: "unbounded", discard: true }
  ).pipe(
    Effect.mapError((error) =>
      error._tag === "StartError"
        ? error
        : startError(`The jobs cannot be followed: ${error instanceof Error ? error.message : error._tag}`)
    )
  )
  return [...states.values()]
})
