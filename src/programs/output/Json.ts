/** What a command prints: text for a person, or one JSON document for a program. */
import { Console, Effect } from "effect"
import { Flag, GlobalFlag } from "effect/cli"

/** `--json`, which every command takes. */
export const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withDescription("Print the result as one JSON document"),
    Flag.withDefault(false)
  )
})

export const print = Effect.fnUntraced(function* (document: unknown, text: () => string) {
  yield* Console.log((yield* Json) ? JSON.stringify(document) : text())
})
