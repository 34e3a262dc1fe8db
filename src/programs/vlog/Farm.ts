/** The farm that commands talk to: its address, the secret, and the Worker API's contract as calls. */
import { Config, Console, Context, Effect, Layer, Option, Redacted, Schema } from "effect"
import { Flag, GlobalFlag } from "effect/cli"
import { HttpClient } from "effect/http"
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import { makeClient } from "../../adapters/worker-api/client/Client.ts"
import { loggedIn, type Login } from "../../adapters/worker-api/client/Connection.ts"
import type { Expected } from "../exit/Expected.ts"
import { withExitCodes } from "../exit/exitCodes.ts"
import { Address, withoutLogin } from "../settings/Address.ts"
import { readAll, SettingsInvalid } from "../settings/readAll.ts"
import { findSecrets } from "../start/folder.ts"
import { type Origin, type Problem, toProblem, unreachable, type WireError } from "./problems.ts"

export const ApiAddress = GlobalFlag.Setting("api")({
  flag: Flag.String("api").pipe(
    Flag.withDescription("Address of the Worker API, like http://localhost:9002; instead of VLOG_API_URL"),
    Flag.withSchema(Address),
    Flag.optional
  )
})

export const SecretFile = GlobalFlag.Setting("secret-file")({
  flag: Flag.String("secret-file").pipe(
    Flag.withDescription("File that holds the admin secret; instead of VLOG_WORKER_ADMIN_SECRET"),
    Flag.optional
  )
})

const settings = readAll({
  api: Config.schema(Address, "VLOG_API_URL").pipe(Config.option),
  workersApi: Config.schema(Address, "VLOG_WORKER_API_URL").pipe(Config.option),
  secret: Config.schema(Schema.RedactedFromValue(Schema.NonEmptyString), "VLOG_WORKER_ADMIN_SECRET").pipe(Config.option)
})

const usualAddress = "http://localhost:9002"
const localFolder = "data"

/** What `npm start` left in the folder that we are in. */
const ofThisFolder = Effect.gen(function* () {
  const found = yield* findSecrets(resolve(localFolder))
  if (Option.isNone(found)) return Option.none()
  const { address = usualAddress, adminSecret } = found.value
  yield* Console.error(`Using the farm of npm start in ./${localFolder}: ${address}`)
  const from = `./${localFolder}/secrets.json`
  return Option.some<Place>({
    address,
    login: null,
    addressFrom: from,
    secret: Redacted.make(adminSecret),
    secretFrom: from
  })
})

const readSecret = Effect.fnUntraced(function* (file: string) {
  const text = yield* Effect.tryPromise({
    try: () => readFile(file, "utf8"),
    catch: (cause) => new SettingsInvalid({ problems: [`--secret-file ${file} cannot be read: ${String(cause)}`] })
  })
  if (text.trim() === "") return yield* new SettingsInvalid({ problems: [`--secret-file ${file} is empty`] })
  return Redacted.make(text.trim())
})

export interface Place extends Origin {
  readonly login: Login | null
  readonly secret: Redacted.Redacted | null
}

/** The secret of this folder's farm goes to that farm only, never to an address that was given. None: nothing is said. */
export const place = Effect.gen(function* () {
  const flag = yield* ApiAddress
  const file = yield* SecretFile
  const { api, secret, workersApi } = yield* settings
  const given = Option.firstSomeOf([
    Option.map(flag, (url) => ({ url, from: "--api" })),
    Option.map(api, (url) => ({ url, from: "VLOG_API_URL" })),
    Option.map(workersApi, (url) => ({ url, from: "VLOG_WORKER_API_URL" }))
  ])
  if (Option.isNone(given) && Option.isNone(file) && Option.isNone(secret)) return yield* ofThisFolder
  const address = Option.match(given, {
    onNone: () => ({ address: usualAddress, login: null, addressFrom: "the default; VLOG_API_URL is not set" }),
    onSome: ({ from, url }) => ({ ...withoutLogin(url), addressFrom: from })
  })
  const known = Option.isSome(file)
    ? { secret: yield* readSecret(file.value), secretFrom: "--secret-file" }
    : { secret: Option.getOrNull(secret), secretFrom: "VLOG_WORKER_ADMIN_SECRET" }
  return Option.some<Place>({ ...address, ...known })
})

const connected = ({ address, login, secret }: Place & { readonly secret: Redacted.Redacted }) =>
  Effect.all({ client: makeClient(address, { adminSecret: secret }), http: HttpClient.HttpClient }).pipe(
    Effect.provide(loggedIn(login))
  )

const noSecret = (where: string) =>
  new SettingsInvalid({
    problems: [
      `there is no secret for ${where}: set VLOG_WORKER_ADMIN_SECRET to that of the Worker API, or name a file with --secret-file`
    ]
  })

const make = Effect.gen(function* () {
  const found = yield* place
  if (Option.isNone(found)) return yield* noSecret(usualAddress)
  const { secret, ...rest } = found.value
  if (secret === null) return yield* noSecret(rest.address)
  return { ...rest, secret, ...(yield* connected({ ...rest, secret })) }
})

export class Farm extends Context.Service<Farm, Effect.Success<typeof make>>()("vlog/programs/vlog/Farm") {
  static readonly layer = Layer.effect(Farm, make)
}

/** For an answer, all of it; deleting what was made of a long film takes a server a while. */
const patience = "1 minute"

/** Who accepts a connection and says nothing is as good as not there. */
export const inTime =
  (origin: Origin) =>
  <A, E, R>(request: Effect.Effect<A, E, R>) =>
    Effect.timeoutOrElse(request, {
      duration: patience,
      orElse: () => unreachable(origin, `no answer within ${patience}`)
    })

/** Asks the farm, and tells a refusal in words for an operator. */
export const ask = <A, E extends WireError>(
  request: (api: Farm["Service"]["client"]) => Effect.Effect<A, E>
): Effect.Effect<A, Problem, Farm> =>
  Effect.flatMap(Farm, (farm) => inTime(farm)(Effect.mapError(request(farm.client), toProblem(farm))))

/** For the handler of every command that asks the farm. */
export const withFarm = <A, E extends Expected, R>(handler: Effect.Effect<A, E, R>) =>
  withExitCodes(Effect.provide(handler, Farm.layer))
