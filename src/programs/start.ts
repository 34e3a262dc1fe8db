/** The whole farm on one machine: a database, the Worker API and a worker, with real videos put through it. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Console, Effect, Layer, Redacted, References, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import * as Probe from "../adapters/ffmpeg/Probe.ts"
import { EmbeddedPostgres } from "../adapters/postgres/EmbeddedPostgres.ts"
import { Subprocess } from "../adapters/process/Subprocess.ts"
import type { ShownJob } from "../adapters/terminal/JobLines.ts"
import { makeClient } from "../adapters/worker-api/client/Client.ts"
import { VideoCodec } from "../domain/media/Codec.ts"
import { launch } from "./launch.ts"
import { assertFfmpeg, assertPortFree, awaitHealthy, startProgram } from "./start/children.ts"
import { adminSecretOf, loadSecrets, prepareFolder, sampleVideo, saveSecrets, type Secrets } from "./start/folder.ts"
import { follow } from "./start/follow.ts"
import { checkSources } from "./start/sources.ts"
import { startError } from "./start/StartError.ts"
import { type Farm, upload } from "./start/uploads.ts"
import { version } from "./version.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

const say = (line: string) => Console.log(line)

/** The worker of this folder's earlier runs, or a new one where the database does not know it. */
const workerKey = Effect.fnUntraced(
  function* (farm: Farm, folder: string, secrets: Secrets) {
    const { workers } = yield* farm.client.admin.workers()
    if (secrets.worker !== undefined && workers.some((worker) => worker.worker_id === secrets.worker?.id))
      return secrets.worker.key
    const registered = yield* farm.client.admin.register({ payload: { worker_name: "local", worker_type: "local" } })
    yield* saveSecrets(folder, { ...secrets, worker: { id: registered.worker_id, key: registered.api_key } })
    return registered.api_key
  },
  Effect.mapError((error) =>
    error._tag === "StartError" ? error : startError(`The worker could not be registered: ${error.message}`)
  )
)

const addresses = (farm: Farm, jobs: ReadonlyArray<ShownJob>) => [
  "",
  ...jobs
    .filter((job) => job.status === "done")
    .flatMap((job) => [
      `Watch   ${farm.address}/watch/${job.name}`,
      `  HLS   ${farm.address}/videos/${job.name}/master.m3u8`,
      `  DASH  ${farm.address}/videos/${job.name}/manifest.mpd`
    ]),
  `All videos and jobs: ${farm.address}/`
]

const transcodeAll = Effect.fnUntraced(function* (
  farm: Farm,
  sources: ReadonlyArray<string>,
  options: { readonly once: boolean }
) {
  const uploads = yield* Effect.forEach(sources, (path) => upload(farm, path, say))
  // The same file twice is one video.
  const jobs = yield* follow(farm, [...new Map(uploads.map((one) => [one.video.slug, one])).values()])
  yield* Effect.forEach(addresses(farm, jobs), say)
  const failed = jobs.filter((job) => job.status !== "done")
  if (options.once && failed.length > 0) {
    return yield* startError(...failed.map((job) => `${job.name} was not published: ${job.problem ?? job.status}`))
  }
  if (options.once) return
  yield* say("Serving until you press Ctrl-C.")
  return yield* Effect.never
})

interface Options {
  readonly once: boolean
  readonly port: number
  readonly codec: VideoCodec
}

const run = Effect.fnUntraced(function* (
  options: Options & { readonly videos: ReadonlyArray<string>; readonly data: string }
) {
  yield* assertFfmpeg
  const named = yield* checkSources(options.videos)
  yield* assertPortFree(options.port)
  const folder = resolve(root, options.data)
  yield* prepareFolder(folder)
  const sources = named.length > 0 ? named : [yield* sampleVideo(folder, say)]
  yield* say(`Starting PostgreSQL, the Worker API on port ${options.port} and a worker; data and logs are in ${folder}`)
  yield* farm({ ...options, folder, sources }).pipe(
    Effect.provide(EmbeddedPostgres.layer({ dataFolder: join(folder, "postgres") }))
  )
})

const farm = Effect.fnUntraced(function* (
  options: Options & { readonly folder: string; readonly sources: ReadonlyArray<string> }
) {
  const { folder } = options
  const address = `http://localhost:${options.port}`
  const secrets = { ...(yield* loadSecrets(folder)), address }
  yield* saveSecrets(folder, secrets)
  const postgres = yield* EmbeddedPostgres
  const logs = join(folder, "logs")
  const api = yield* startProgram("api", {
    logs,
    grace: "20 seconds",
    env: {
      VLOG_DATABASE_URL: Redacted.value(postgres.url),
      VLOG_WORKER_ADMIN_SECRET: secrets.adminSecret,
      VLOG_STORAGE_PATH: join(folder, "storage"),
      VLOG_WORKER_API_PORT: String(options.port)
    }
  })
  yield* Effect.raceFirst(awaitHealthy(address), api.died)

  const adminSecret = adminSecretOf(secrets)
  const here: Farm = { address, adminSecret, client: yield* makeClient(address, { adminSecret }) }
  const worker = yield* startProgram("worker", {
    logs,
    grace: "30 seconds",
    env: {
      VLOG_WORKER_API_URL: address,
      VLOG_WORKER_API_KEY: yield* workerKey(here, folder, secrets),
      VLOG_WORKER_WORK_DIR: join(folder, "work"),
      VLOG_WORKER_POLL_INTERVAL: "1",
      VLOG_WORKER_PROGRESS_INTERVAL: "1",
      VLOG_WORKER_HEALTH_PORT: "off",
      VLOG_WORKER_DRAIN_SECONDS: "0",
      VLOG_HWACCEL_PREFERRED_CODEC: options.codec
    }
  })
  yield* Effect.raceAllFirst([transcodeAll(here, options.sources, options), api.died, worker.died, postgres.died]).pipe(
    Effect.onInterrupt(() => say("\nStopping ..."))
  )
}, Effect.scoped)

/** What a shell gives to a program that Ctrl-C ended: not everything was published, whatever was. */
const interruptedEarly = Effect.sync(() => {
  process.exitCode = 130
})

const adapters = Layer.mergeAll(Probe.layer, NodeHttpClient.layerUndici).pipe(
  Layer.provideMerge(Subprocess.layer),
  Layer.provideMerge(NodeServices.layer)
)

const start = Command.make(
  "start",
  {
    videos: Argument.String("video").pipe(
      Argument.withDescription("Videos to transcode; without any, a sample that the project makes"),
      Argument.variadic()
    ),
    once: Flag.Boolean("once").pipe(
      Flag.withDescription("Exit when the jobs have ended: 0 when all were published"),
      Flag.withDefault(false)
    ),
    port: Flag.Int("port").pipe(
      Flag.withDescription("Port of the Worker API and the pages; 9002 without it"),
      Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 65_535 }))),
      Flag.withDefault(9002)
    ),
    data: Flag.String("data").pipe(
      Flag.withDescription("Folder for database, media and logs; ./data of the project without it"),
      Flag.withDefault("data")
    ),
    codec: Flag.Literals("codec", VideoCodec.literals).pipe(
      Flag.withDescription("Codec of the ladder; h264 without it"),
      Flag.withDefault("h264" as const)
    )
  },
  (options) =>
    run(options).pipe(
      Effect.onInterrupt(() => (options.once ? interruptedEarly : Effect.void)),
      Effect.scoped,
      Effect.provide(adapters)
    )
).pipe(
  Command.withDescription(
    "Run the whole farm on this machine: upload, transcode and publish videos, and show where to watch them"
  ),
  Command.withExamples([
    { command: "npm start", description: "Transcode a sample video and serve it" },
    { command: "npm start -- my-video.mp4 talk.mkv", description: "Transcode your own" },
    { command: "npm start -- --once my-video.mp4", description: "Exit when it is published" }
  ])
)

launch(
  "start",
  Command.run(start, { version }).pipe(
    Effect.provide(NodeServices.layer),
    Effect.provideService(References.MinimumLogLevel, "Warn")
  )
)
