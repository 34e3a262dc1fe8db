/** `vlog worker`: who may take work, and with which key. */
import { Clock, Duration, Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { WorkerAnswer } from "../../adapters/worker-api/contract/Admin.ts"
import { Text } from "../../adapters/worker-api/contract/Fields.ts"
import { print } from "../output/Json.ts"
import { time } from "../settings/bounds.ts"
import { handOver, keyFile, readKey, reserve } from "./keyFile.ts"
import { workerFacts, workerTable } from "./workerText.ts"
import { ApiAddress, ask, SecretFile, withFarm } from "./Farm.ts"
import { NotThere, Refused } from "./problems.ts"

const encodeWorker = Schema.encodeSync(WorkerAnswer)

const WorkerArgument = Argument.String("worker").pipe(Argument.withDescription("Name or id of a worker"))

/** Names are for people and need not be unique. */
const findWorker = Effect.fnUntraced(function* (wanted: string) {
  const { workers } = yield* ask((api) => api.admin.workers())
  const found = workers.filter((worker) => worker.worker_id === wanted || worker.worker_name === wanted)
  const [worker, ...others] = found
  if (worker === undefined)
    return yield* new NotThere({ problem: `there is no worker ${wanted}: see vlog worker list` })
  if (others.length > 0) {
    const ids = found.map(({ status, worker_id }) => `  ${worker_id} (${status})`).join("\n")
    return yield* new Refused({
      problem: `${found.length} workers have the name ${wanted}: name one by its id\n${ids}`
    })
  }
  return worker
})

const registerCommand = Command.make(
  "register",
  {
    name: Argument.String("name").pipe(
      Argument.withDescription("What people call it"),
      Argument.withSchema(Text(100)),
      Argument.optional
    ),
    type: Flag.Literals("type", ["remote", "local"]).pipe(
      Flag.withDescription("Whether it runs on the same machine as the Worker API; remote unless said otherwise"),
      Flag.withDefault("remote" as const)
    ),
    keyFile,
    bringKey: Flag.String("bring-key").pipe(
      Flag.withDescription("File with the key that this worker has from a VLog server: it goes on with that one"),
      Flag.optional
    )
  },
  Effect.fnUntraced(
    function* (options) {
      const worker = { worker_name: Option.getOrNull(options.name), worker_type: options.type }
      if (Option.isSome(options.bringKey)) {
        if (Option.isSome(options.keyFile))
          return yield* new Refused({ problem: "--key-file is for a new key: with --bring-key there is none" })
        const brought = yield* readKey(options.bringKey.value)
        const { worker_id } = yield* ask((api) => api.admin.register({ payload: { ...worker, api_key: brought } }))
        return yield* print({ worker_id }, () => `The new worker is ${worker_id}. It goes on with the key that it has.`)
      }
      yield* reserve(options.keyFile)
      const { api_key, worker_id } = yield* ask((api) => api.admin.register({ payload: worker }))
      yield* handOver("api_key", { worker_id, api_key }, options.keyFile, `The new worker is ${worker_id}.`)
    },
    Effect.scoped,
    withFarm
  )
).pipe(
  Command.withDescription("Make a worker, and the key that it works with"),
  Command.withExamples([
    { command: "vlog worker register gpu-1", description: "Prints the key, this once" },
    { command: "vlog worker register gpu-1 --key-file gpu-1.key", description: "Keeps the key off the screen" },
    { command: "vlog worker register gpu-1 --bring-key vlog.key", description: "Takes over a worker of a VLog server" }
  ])
)

const listCommand = Command.make(
  "list",
  {},
  Effect.fnUntraced(function* () {
    const { workers } = yield* ask((api) => api.admin.workers())
    const now = yield* Clock.currentTimeMillis
    yield* print({ workers: workers.map((worker) => encodeWorker(worker)) }, () => workerTable(workers, now))
  }, withFarm)
).pipe(
  Command.withDescription("Show all workers: what they are, when they were heard of, what they work on"),
  Command.withExamples([
    { command: "vlog worker list", description: "As a table" },
    { command: "vlog worker list --json", description: "For a program" }
  ])
)

const showCommand = Command.make(
  "show",
  { worker: WorkerArgument },
  Effect.fnUntraced(function* (options) {
    const worker = yield* findWorker(options.worker)
    const now = yield* Clock.currentTimeMillis
    yield* print(encodeWorker(worker), () => workerFacts(worker, now))
  }, withFarm)
).pipe(
  Command.withDescription("Show one worker: which encoders work on it, and why others do not"),
  Command.withExamples([{ command: "vlog worker show gpu-1", description: "By name or by id" }])
)

const revokeCommand = Command.make(
  "revoke",
  { worker: WorkerArgument },
  Effect.fnUntraced(function* (options) {
    const worker = yield* findWorker(options.worker)
    yield* ask((api) => api.admin.revoke({ params: { worker_id: worker.worker_id } }))
    yield* print({ worker_id: worker.worker_id, status: "disabled" }, () =>
      worker.current_video_slug === null
        ? `${options.worker} may not work any more.`
        : `${options.worker} may not work any more. Its task on ${worker.current_video_slug} goes back to the queue.`
    )
  }, withFarm)
).pipe(
  Command.withDescription("Take all keys of a worker away, and its task in hand; there is no way back"),
  Command.withExamples([{ command: "vlog worker revoke gpu-1", description: "A key was lost or stolen" }])
)

const rotateCommand = Command.make(
  "rotate",
  {
    worker: WorkerArgument,
    overlap: Flag.String("overlap").pipe(
      Flag.withDescription(
        "How long the keys of before are still taken, like 2 hours; a day without it, at most 30 days"
      ),
      Flag.withSchema(time("0 seconds", "30 days")),
      Flag.withDefault(Duration.days(1))
    ),
    keyFile
  },
  Effect.fnUntraced(
    function* (options) {
      const worker = yield* findWorker(options.worker)
      yield* reserve(options.keyFile)
      const { api_key, others_expire_at, worker_id } = yield* ask((api) =>
        api.admin.rotate({
          params: { worker_id: worker.worker_id },
          query: { overlap: Math.round(Duration.toSeconds(options.overlap)) }
        })
      )
      yield* handOver(
        "api_key",
        { worker_id, api_key, others_expire_at: others_expire_at.toISOString() },
        options.keyFile,
        `${options.worker} has a new key; those of before are taken until ${others_expire_at.toISOString()}.`
      )
    },
    Effect.scoped,
    withFarm
  )
).pipe(
  Command.withDescription("Give a worker a new key; those of before go on for a while"),
  Command.withExamples([
    { command: "vlog worker rotate gpu-1 --key-file gpu-1.key", description: "A day to bring it there" },
    { command: 'vlog worker rotate gpu-1 --overlap "0 seconds"', description: "The others are not taken any more" }
  ])
)

export const worker = Command.make("worker").pipe(
  Command.withDescription("Workers and their keys"),
  Command.withSubcommands([registerCommand, listCommand, showCommand, rotateCommand, revokeCommand]),
  Command.withGlobalFlags([ApiAddress, SecretFile])
)
