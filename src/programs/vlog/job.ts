/** `vlog job`: what is to be transcoded, and how far it is. */
import { Clock, Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { JobAnswer, JobDetail } from "../../adapters/worker-api/contract/Jobs.ts"
import { JobId } from "../../domain/ids.ts"
import { JobStatus } from "../../domain/jobs/Job.ts"
import { print } from "../output/Json.ts"
import { ApiAddress, ask, SecretFile, withFarm } from "./Farm.ts"
import { pageFlags } from "./flags.ts"
import type { Job } from "../output/shownJob.ts"
import { assertPublished, follow } from "./follow.ts"
import { jobFacts, jobTable } from "./jobText.ts"

const encodeJob = Schema.encodeSync(JobAnswer)
const encodeDetail = Schema.encodeSync(JobDetail)

const JobArgument = Argument.Int("job").pipe(
  Argument.withDescription("Number of a job, as the list command shows it"),
  Argument.withSchema(JobId)
)

/** Not more than its own fields: a job with its attempts is what `show` is for. */
const documentOf = (jobs: ReadonlyArray<Job>) => ({ jobs: jobs.map((job) => encodeJob(job)) })

const listCommand = Command.make(
  "list",
  {
    status: Flag.Literals("status", JobStatus.literals).pipe(
      Flag.withDescription("Only those that are in this state"),
      Flag.optional
    ),
    video: Flag.String("video").pipe(Flag.withDescription("Only those of this video, by its slug"), Flag.optional),
    ...pageFlags
  },
  Effect.fnUntraced(function* ({ limit, offset, status, video }) {
    const page = yield* ask((api) =>
      api.jobs.list({
        query: {
          limit,
          offset,
          ...(Option.isSome(status) ? { status: status.value } : {}),
          ...(Option.isSome(video) ? { video: video.value } : {})
        }
      })
    )
    const now = yield* Clock.currentTimeMillis
    yield* print({ ...documentOf(page.jobs), total: page.total, limit, offset }, () => jobTable(page.jobs, page, now))
  }, withFarm)
).pipe(
  Command.withDescription("Show jobs, the newest first"),
  Command.withExamples([
    { command: "vlog job list", description: "The newest 50" },
    { command: "vlog job list --status failed", description: "What needs somebody" },
    { command: "vlog job list --video holiday --json", description: "Those of one video, for a program" }
  ])
)

const showCommand = Command.make(
  "show",
  { job: JobArgument },
  Effect.fnUntraced(function* ({ job }) {
    const detail = yield* ask((api) => api.jobs.show({ params: { job_id: job } }))
    yield* print(encodeDetail(detail), () => jobFacts(detail))
  }, withFarm)
).pipe(
  Command.withDescription("Show one job with every attempt: who tried, how it ended, and what ffmpeg said"),
  Command.withExamples([{ command: "vlog job show 12", description: "Why did it fail?" }])
)

const watchCommand = Command.make(
  "watch",
  { jobs: JobArgument.pipe(Argument.atLeast(1)) },
  Effect.fnUntraced(function* (options) {
    const jobs = yield* follow(options.jobs)
    yield* print(documentOf(jobs), () => `${jobs.length === 1 ? "The job has" : "All jobs have"} ended.`)
    yield* assertPublished(jobs)
  }, withFarm)
).pipe(
  Command.withDescription(
    "Follow jobs until each has ended, with a bar for each rendition. Exit code 0 if all were published"
  ),
  Command.withExamples([
    { command: "vlog job watch 12", description: "Bars on a terminal, lines in a log" },
    { command: "vlog job watch 12 13 --json", description: "Waits, then prints the ended jobs" }
  ])
)

const retryCommand = Command.make(
  "retry",
  { job: JobArgument },
  Effect.fnUntraced(function* ({ job }) {
    const retried = yield* ask((api) => api.jobs.retry({ params: { job_id: job } }))
    yield* print(encodeJob(retried), () => `Job ${job} (${retried.video_slug}) is ${retried.status} again.`)
  }, withFarm)
).pipe(
  Command.withDescription("Queue a failed or cancelled job again; it gets all its attempts anew"),
  Command.withExamples([{ command: "vlog job retry 12", description: "After its cause was mended" }])
)

const cancelCommand = Command.make(
  "cancel",
  { job: JobArgument },
  Effect.fnUntraced(function* ({ job }) {
    const cancelled = yield* ask((api) => api.jobs.cancel({ params: { job_id: job } }))
    yield* print(encodeJob(cancelled), () => `Job ${job} (${cancelled.video_slug}) is cancelled.`)
  }, withFarm)
).pipe(
  Command.withDescription("End a job that waits or runs; what was published before stays"),
  Command.withExamples([{ command: "vlog job cancel 12", description: "Its worker stops at once" }])
)

const priorityCommand = Command.make(
  "priority",
  {
    job: JobArgument,
    priority: Argument.Int("priority").pipe(
      Argument.withDescription("From -100 to 100; a higher one is taken first, 0 is usual"),
      Argument.withSchema(Schema.Int.check(Schema.isBetween({ minimum: -100, maximum: 100 })))
    )
  },
  Effect.fnUntraced(function* ({ job, priority }) {
    const changed = yield* ask((api) => api.jobs.update({ params: { job_id: job }, payload: { priority } }))
    yield* print(encodeJob(changed), () => `Job ${job} (${changed.video_slug}) has priority ${changed.priority}.`)
  }, withFarm)
).pipe(
  Command.withDescription("Let a job be taken earlier or later than others"),
  Command.withExamples([
    { command: "vlog job priority 12 50", description: "Before the others" },
    { command: "vlog job priority 12 -- -50", description: "After the others: -- ends the flags" }
  ])
)

export const job = Command.make("job").pipe(
  Command.withDescription("Jobs: what is to be transcoded, and how far it is"),
  Command.withSubcommands([listCommand, showCommand, watchCommand, retryCommand, cancelCommand, priorityCommand]),
  Command.withGlobalFlags([ApiAddress, SecretFile])
)
