/** `vlog video upload`. */
import { Console, Effect, Option, Result, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { stat } from "node:fs/promises"
import { basename } from "node:path"
import { makeTransfer } from "../../adapters/terminal/Transfer.ts"
import { Text } from "../../adapters/worker-api/contract/Fields.ts"
import { VideoWithJob } from "../../adapters/worker-api/contract/Videos.ts"
import { Json, print } from "../output/Json.ts"
import { asFile } from "../start/sources.ts"
import { ask, Farm, withFarm } from "./Farm.ts"
import { assertPublished, follow } from "./follow.ts"
import { NotThere, Refused } from "./problems.ts"
import type { About } from "./fingerprint.ts"
import { sendResumable } from "./resumable.ts"

type Sent = typeof VideoWithJob.Type

const encodeVideo = Schema.encodeSync(VideoWithJob)

/** Everything that is wrong with any of them, before the first is sent. */
const checkFiles = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  const results = yield* Effect.forEach(names, (name) => Effect.result(asFile(name)))
  const problems = results.flatMap((result) => (Result.isFailure(result) ? result.failure.problems : []))
  if (problems.length > 0) return yield* new NotThere({ problem: problems.join("\nerror: ") })
  return results.flatMap((result) => (Result.isSuccess(result) ? [result.success] : []))
})

/** How far it is goes to stderr: it is no result. */
const send = Effect.fnUntraced(function* (path: string, about: About) {
  const { size } = yield* Effect.promise(() => stat(path))
  const show = yield* makeTransfer(process.stderr, { name: basename(path), total: size })
  return yield* sendResumable({ path, about, sent: show, tell: Console.error })
})

const nextStep = ({ job, video }: Sent) =>
  job === null ? `${video.slug} is uploaded.` : `${video.slug} is uploaded. Follow it with: vlog job watch ${job.id}`

/** With what became of each. */
const wait = Effect.fnUntraced(function* (sent: ReadonlyArray<Sent>) {
  const { address } = yield* Farm
  const jobs = yield* follow(sent.flatMap(({ job }) => (job === null ? [] : [job.id])))
  const videos = yield* Effect.forEach(sent, ({ video }) =>
    ask((api) => api.videos.show({ params: { slug: video.slug } }))
  )
  yield* print({ videos: videos.map((video) => encodeVideo(video)) }, () =>
    videos
      .filter(({ video }) => video.status === "ready")
      .map(({ video }) => `Watch ${address}/watch/${video.slug}`)
      .join("\n")
  )
  yield* assertPublished(jobs)
})

export const uploadCommand = Command.make(
  "upload",
  {
    files: Argument.String("file").pipe(Argument.withDescription("Videos to upload"), Argument.atLeast(1)),
    title: Flag.String("title").pipe(
      Flag.withDescription("What people call it; without it, the name of the file. For one file only"),
      Flag.withSchema(Text(200)),
      Flag.optional
    ),
    priority: Flag.Int("priority").pipe(
      Flag.withDescription("From -100 to 100; a higher one is taken first"),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: -100, maximum: 100 }))),
      Flag.optional
    ),
    wait: Flag.Boolean("wait").pipe(
      Flag.withDescription("Follow the jobs until they end; exit code 0 only if all were published"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* (options) {
    if (Option.isSome(options.title) && options.files.length > 1)
      return yield* new Refused({ problem: "--title is for one file: upload the others by themselves" })
    const paths = yield* checkFiles(options.files)
    const about: About = {
      ...(Option.isSome(options.title) ? { title: options.title.value } : {}),
      ...(Option.isSome(options.priority) ? { priority: options.priority.value } : {})
    }
    const told = !(yield* Json) && !options.wait
    const sent = yield* Effect.forEach(paths, (path) =>
      Effect.tap(send(path, about), (one) => (told ? Console.log(nextStep(one)) : Effect.void))
    )
    if (options.wait) return yield* wait(sent)
    if (!told) yield* print({ videos: sent.map((one) => encodeVideo(one)) }, () => "")
  }, withFarm)
).pipe(
  Command.withDescription(
    "Upload videos of any size; each becomes a video with a job. What breaks on the way is tried again, and the same " +
      "command goes on where an earlier one of the same file ended"
  ),
  Command.withExamples([
    { command: "vlog video upload holiday.mp4", description: "Uploads, and says how to follow the job" },
    {
      command: 'vlog video upload talk.mkv --title "The talk" --priority 10 --wait',
      description: "Until it is published"
    },
    { command: "vlog video upload *.mp4 --json", description: "One after the other; prints what they became" }
  ])
)
