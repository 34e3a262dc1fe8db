/** `vlog key`: who else may operate the farm, or look at it. */
import { Clock, Duration, Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { Text } from "../../adapters/worker-api/contract/Fields.ts"
import { KeyAnswer } from "../../adapters/worker-api/contract/Keys.ts"
import { AccessScope } from "../../domain/ports/AccessKeys.ts"
import { print } from "../output/Json.ts"
import { agoText } from "../output/quantities.ts"
import { table } from "../output/table.ts"
import { time } from "../settings/bounds.ts"
import { ApiAddress, ask, SecretFile, withFarm } from "./Farm.ts"
import { Named } from "./Named.ts"
import { handOver, keyFile, reserve } from "./keyFile.ts"

type Key = typeof KeyAnswer.Type

const encodeKey = Schema.encodeSync(KeyAnswer)

const createCommand = Command.make(
  "create",
  {
    name: Argument.String("name").pipe(
      Argument.withDescription("Who or what it is for"),
      Argument.withSchema(Text(100).pipe(Schema.check(Schema.isNonEmpty())))
    ),
    scope: Flag.Literals("scope", AccessScope.literals).pipe(
      Flag.withDescription(
        "read (the default): look at everything, change nothing; admin: all that the admin secret may"
      ),
      Flag.withDefault("read" as const)
    ),
    expires: Flag.String("expires").pipe(
      Flag.withDescription("How long it is taken, like 30 days, at most ten years; for ever without it"),
      Flag.withSchema(time("1 minute", "3650 days")),
      Flag.optional
    ),
    keyFile
  },
  Effect.fnUntraced(
    function* (options) {
      yield* reserve(options.keyFile)
      const { expires_at, id, key } = yield* ask((api) =>
        api.keys.mint({
          payload: {
            name: options.name,
            scope: options.scope,
            expires_in: Option.getOrNull(Option.map(options.expires, (life) => Math.round(Duration.toSeconds(life))))
          }
        })
      )
      const until = expires_at?.toISOString() ?? null
      yield* handOver(
        "key",
        { id, name: options.name, scope: options.scope, expires_at: until, key },
        options.keyFile,
        `The new key is ${id}; it is taken ${until === null ? "until it is revoked" : `until ${until}`}.`
      )
    },
    Effect.scoped,
    withFarm
  )
).pipe(
  Command.withDescription("Make a key that is shown where the admin secret is asked for"),
  Command.withExamples([
    { command: "vlog key create dashboard", description: "May only read; prints the key, this once" },
    {
      command: 'vlog key create ann --scope admin --expires "30 days" --key-file ann.key',
      description: "Keeps the key off the screen"
    }
  ])
)

const stateOf = ({ expires_at, revoked_at }: Key, now: number) => {
  if (revoked_at !== null) return "revoked"
  if (expires_at === null) return "good"
  return expires_at.getTime() <= now ? "expired" : `until ${expires_at.toISOString()}`
}

const keyTable = (keys: ReadonlyArray<Key>, now: number) =>
  keys.length === 0
    ? "There is no key. Make one with: vlog key create NAME"
    : table([
        ["ID", "NAME", "SCOPE", "STATE", "CREATED"],
        ...keys.map((key) => [key.id, key.name, key.scope, stateOf(key, now), agoText(now - key.created_at.getTime())])
      ])

const listCommand = Command.make(
  "list",
  {},
  Effect.fnUntraced(function* () {
    const { keys } = yield* ask((api) => api.keys.list())
    const now = yield* Clock.currentTimeMillis
    yield* print({ keys: keys.map((key) => encodeKey(key)) }, () => keyTable(keys, now))
  }, withFarm)
).pipe(
  Command.withDescription("Show all keys without their secrets, those of workers among them"),
  Command.withExamples([{ command: "vlog key list", description: "The newest first" }])
)

const revokeCommand = Command.make(
  "revoke",
  {
    key: Argument.String("key").pipe(
      Argument.withDescription("Id of a key, as the list command shows it"),
      Argument.withSchema(Named)
    )
  },
  Effect.fnUntraced(function* ({ key }) {
    yield* ask((api) => api.keys.revoke({ params: { key_id: key } }))
    yield* print({ id: key, status: "revoked" }, () => `Key ${key} is not taken any more.`)
  }, withFarm)
).pipe(
  Command.withDescription("End a key at once; those of workers end with vlog worker revoke"),
  Command.withExamples([{ command: "vlog key revoke AJfodwkxDk5j", description: "It was lost or stolen" }])
)

export const key = Command.make("key").pipe(
  Command.withDescription("Keys of people and programs, beside the admin secret"),
  Command.withSubcommands([createCommand, listCommand, revokeCommand]),
  Command.withGlobalFlags([ApiAddress, SecretFile])
)
