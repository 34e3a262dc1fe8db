/**
 * What those who follow jobs are sent. News only wake: each look is at the store, which is looked at without any too,
 * now and then. Looks are shared by all who follow, and a slow client gets fewer and newer states, never a backlog.
 */
import { Cache, Duration, Effect, Option, Schema, Stream } from "effect"
import { Sse } from "effect/encoding"
import type { JobId } from "../../../domain/ids.ts"
import type { Job } from "../../../domain/jobs/Job.ts"
import { JobNews, type News } from "../../../domain/ports/JobNews.ts"
import { JobStore, type Stirring } from "../../../domain/ports/JobStore.ts"
import { JobAnswer } from "../contract/Jobs.ts"
import { jobAnswer } from "./Answers.ts"

/** Without any news. */
const lookAgainAfter = Duration.seconds(5)

/** From news to the look, so that what comes close together is one look. Longer than a look is shared, which may be older. */
const pause = { one: Duration.millis(250), all: Duration.seconds(1) }
const shared = { one: Duration.millis(200), all: Duration.millis(900) }

const mostJobs = 1000

const encode = Schema.encodeSync(JobAnswer)

/** A job as it is told of: compared by its text. */
interface Told {
  readonly job: Job
  readonly data: string
}

const told = (job: Job): Told => ({ job, data: JSON.stringify(encode(jobAnswer(job))) })

const event = (name: "job" | "jobs" | "end" | "gone", data: string, at?: Date) =>
  Sse.encoder.write({ _tag: "Event", event: name, id: at?.toISOString(), data })

const goneEvent = (id: JobId, at?: Date) => event("gone", JSON.stringify({ id }), at)

interface Look {
  readonly jobs: ReadonlyArray<Told>
  readonly at: Date
  readonly complete: boolean
}

const lookOf = ({ at, complete, jobs }: Stirring): Look => ({ at, complete, jobs: jobs.map(told) })

const wholeEvent = ({ at, complete, jobs }: Look) =>
  event("jobs", `{"jobs":[${jobs.map(({ data }) => data).join(",")}],"complete":${complete}}`, at)

const hasEnded = ({ status }: Job) => status !== "queued" && status !== "running"

/** Each time it is run it waits until something may have changed: with one job, or with any where none is named. */
const changes = (first: Effect.Effect<News>, id: JobId | null) => {
  let coming = first
  const heard = Effect.gen(function* () {
    while (true) {
      const { about, next } = yield* coming
      coming = next
      if (id === null || about === null || about.has(id)) return
    }
  })
  return Effect.andThen(Effect.timeoutOption(heard, lookAgainAfter), Effect.sleep(id === null ? pause.all : pause.one))
}

/** What `next` finds, time after time, but for when it is nothing; to the end after what is the last. */
const texts = (
  first: { readonly text: string; readonly last?: boolean },
  next: Effect.Effect<{ readonly text: string; readonly last?: boolean }>
) =>
  Stream.unfold(
    { ...first, fresh: true },
    Effect.fnUntraced(function* (state) {
      if (state.fresh) return [state.text, { ...state, fresh: false }] as const
      if (state.last === true) return undefined
      while (true) {
        const found = yield* next
        if (found.text !== "") return [found.text, { ...found, fresh: false }] as const
      }
    })
  )

export const makeJobEvents = Effect.gen(function* () {
  const jobs = yield* JobStore
  const news = yield* JobNews
  const single = yield* Cache.make({ capacity: 1024, timeToLive: shared.one, lookup: (id: JobId) => jobs.job(id) })
  const whole = yield* Cache.make({
    capacity: 1,
    timeToLive: shared.all,
    lookup: () => Effect.map(jobs.stirring({ since: null, limit: mostJobs }), lookOf)
  })

  /** None where there is no such job. */
  const follow = Effect.fnUntraced(function* (id: JobId) {
    const change = changes(yield* news.watch, id)
    let before = ""
    const tell = Option.match({
      onNone: () => ({ text: goneEvent(id), last: true }),
      onSome: (job: Job) => {
        const { data } = told(job)
        if (hasEnded(job)) return { text: event("end", data), last: true }
        const text = data === before ? "" : event("job", data)
        before = data
        return { text }
      }
    })
    const found = yield* jobs.job(id)
    if (Option.isNone(found)) return Option.none()
    const next = Effect.andThen(change, Cache.get(single, id)).pipe(
      Effect.map(tell),
      // The database is away for a moment, or longer: the client has nothing better to do than to wait here.
      Effect.orElseSucceed(() => ({ text: "" }))
    )
    return Option.some(texts(tell(found), next))
  })

  const followAll = Effect.fnUntraced(function* (since: Date | null) {
    const change = changes(yield* news.watch, null)
    const known = new Map<JobId, Told>()
    const first = lookOf(yield* jobs.stirring({ since, limit: mostJobs }))
    for (const one of first.jobs) known.set(one.job.id, one)
    let { complete } = first

    /** Those that did something and now do nothing: they wait again, or are gone. */
    const stillnessOf = Effect.fnUntraced(function* (look: Look) {
      const present = new Set(look.jobs.map(({ job }) => job.id))
      const quiet = [...known.values()].filter(({ job }) => !present.has(job.id))
      const asked = quiet.filter(({ job }) => !hasEnded(job)).map(({ job }) => job.id)
      const found = asked.length === 0 ? [] : (yield* jobs.jobsOf(asked)).map(told)
      const there = new Map(found.map((one) => [one.job.id, one]))
      const gone = asked.filter((id) => !there.has(id))
      const moved = found.filter(({ data, job }) => known.get(job.id)?.data !== data)
      for (const { job } of quiet) known.delete(job.id)
      for (const one of found) if (one.job.status === "running") known.set(one.job.id, one)
      return [...moved.map(({ data }) => event("job", data, look.at)), ...gone.map((id) => goneEvent(id, look.at))]
    })

    const next = Effect.gen(function* () {
      yield* change
      const look = yield* Cache.get(whole, undefined)
      const moved = look.jobs.filter(({ data, job }) => known.get(job.id)?.data !== data)
      const stillness = look.complete ? yield* stillnessOf(look) : []
      for (const one of moved) known.set(one.job.id, one)
      const overflow = complete && !look.complete
      complete = look.complete
      if (overflow) return { text: wholeEvent(look) }
      return { text: [...moved.map(({ data }) => event("job", data, look.at)), ...stillness].join("") }
    }).pipe(Effect.orElseSucceed(() => ({ text: "" })))
    return texts({ text: wholeEvent(first) }, next)
  })

  return { follow, followAll }
})
