/** `vlog video`: what was uploaded, and what became of it. */
import { Clock, Effect, Option, Schema } from "effect"
import { Argument, Command, Flag, Prompt } from "effect/cli"
import { Text } from "../../adapters/worker-api/contract/Fields.ts"
import { JobAnswer } from "../../adapters/worker-api/contract/Jobs.ts"
import { VideoDetail, VideoWithJob } from "../../adapters/worker-api/contract/Videos.ts"
import { VideoStatus } from "../../domain/videos/Video.ts"
import { print } from "../output/Json.ts"
import { ApiAddress, ask, Farm, SecretFile, withFarm } from "./Farm.ts"
import { Named } from "./Named.ts"
import { pageFlags } from "./flags.ts"
import { Refused } from "./problems.ts"
import { uploadCommand } from "./upload.ts"
import { videoFacts, videoTable } from "./videoText.ts"

const encodeVideo = Schema.encodeSync(VideoWithJob)
const encodeDetail = Schema.encodeSync(VideoDetail)
const encodeJob = Schema.encodeSync(JobAnswer)

const VideoArgument = Argument.String("video").pipe(
  Argument.withDescription("Slug of a video, as the list command shows it"),
  Argument.withSchema(Named)
)

const listCommand = Command.make(
  "list",
  {
    status: Flag.Literals("status", VideoStatus.literals).pipe(
      Flag.withDescription("Only those that are in this state"),
      Flag.optional
    ),
    search: Flag.String("search").pipe(
      Flag.withDescription("Only those with this in slug or title"),
      Flag.withSchema(Text(200)),
      Flag.optional
    ),
    ...pageFlags
  },
  Effect.fnUntraced(function* ({ limit, offset, search, status }) {
    const page = yield* ask((api) =>
      api.videos.list({
        query: {
          limit,
          offset,
          ...(Option.isSome(status) ? { status: status.value } : {}),
          ...(Option.isSome(search) ? { q: search.value } : {})
        }
      })
    )
    const now = yield* Clock.currentTimeMillis
    const { total, videos } = page
    yield* print({ videos: videos.map((video) => encodeVideo(video)), total, limit, offset }, () =>
      videoTable(videos, page, now)
    )
  }, withFarm)
).pipe(
  Command.withDescription("Show videos, the newest first"),
  Command.withExamples([
    { command: "vlog video list", description: "The newest 50" },
    { command: "vlog video list --status failed --search holiday", description: "Some of them" }
  ])
)

const showCommand = Command.make(
  "show",
  { video: VideoArgument },
  Effect.fnUntraced(function* (options) {
    const { address } = yield* Farm
    const detail = yield* ask((api) => api.videos.show({ params: { slug: options.video } }))
    const now = yield* Clock.currentTimeMillis
    yield* print(encodeDetail(detail), () => videoFacts(detail, address, now))
  }, withFarm)
).pipe(
  Command.withDescription("Show one video: its source, its jobs, and where it is watched"),
  Command.withExamples([{ command: "vlog video show holiday", description: "By its slug" }])
)

/** Nobody is asked where nobody sits. */
const confirmed = (slug: string) =>
  process.stdin.isTTY && process.stdout.isTTY
    ? Prompt.run(Prompt.Confirm({ message: `Delete ${slug} for good, with its source?`, initial: false }))
    : Effect.fail(new Refused({ problem: `deleting ${slug} is for good: say --yes where nobody can be asked` }))

const deleteCommand = Command.make(
  "delete",
  {
    video: VideoArgument,
    yes: Flag.Boolean("yes").pipe(
      Flag.withAlias("y"),
      Flag.withDescription("Do not ask; needed where there is no terminal"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ video, yes }) {
    if (!yes && !(yield* confirmed(video))) return yield* print({ deleted: false }, () => "Nothing was deleted.")
    const { ended_leases } = yield* ask((api) => api.videos.remove({ params: { slug: video } }))
    yield* print({ deleted: true, slug: video, ended_leases }, () =>
      ended_leases === 0 ? `${video} is deleted.` : `${video} is deleted, and the work on it has ended.`
    )
  }, withFarm)
).pipe(
  Command.withDescription("Delete a video for good: its source, its jobs and everything that was made of it"),
  Command.withExamples([
    { command: "vlog video delete holiday", description: "Asks before" },
    { command: "vlog video delete holiday --yes", description: "In a script" }
  ])
)

const transcodeCommand = Command.make(
  "transcode",
  { video: VideoArgument },
  Effect.fnUntraced(function* ({ video }) {
    const job = yield* ask((api) => api.videos.transcode({ params: { slug: video }, payload: {} }))
    yield* print(encodeJob(job), () => `Job ${job.id} is queued. Follow it with: vlog job watch ${job.id}`)
  }, withFarm)
).pipe(
  Command.withDescription("Transcode a video again; viewers see the earlier output until the new one is published"),
  Command.withExamples([{ command: "vlog video transcode holiday", description: "With what workers can do by now" }])
)

export const video = Command.make("video").pipe(
  Command.withDescription("Videos: what was uploaded, and what became of it"),
  Command.withSubcommands([uploadCommand, listCommand, showCommand, transcodeCommand, deleteCommand]),
  Command.withGlobalFlags([ApiAddress, SecretFile])
)
