/** Reads every setting before complaining, so that one restart is enough to mend them all. */
import { Config, Effect, Result, Schema } from "effect"

export class SettingsInvalid extends Schema.TaggedError<SettingsInvalid>()("SettingsInvalid", {
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return `The settings are not right:\n${this.problems.map((problem) => `  - ${problem}`).join("\n")}`
  }
}

/** Values of these are not for a log. The address of a database may have a password anywhere. */
const isSecret = (name: string) => /KEY|SECRET|PASSWORD|TOKEN|DATABASE_URL/.test(name)

/** Without a name and a password, wherever somebody put them: what is before an `@`, or behind a `?`. */
const shown = (value: string) => value.replace(/^(\w+:\/\/)?.*@/, "$1***@").replace(/\?.*$/, "?***")

/** What a parser calls by the name of its type. */
const examples: ReadonlyArray<readonly [type: string, example: string]> = [
  ["a valid URL string", "an address like http://host:9002"],
  ["a valid ByteSize string", 'a size like "512 MiB"'],
  ["a valid Duration string", 'a time like "5 seconds"'],
  ["a string representing a finite number", "a number"],
  ["a finite number", "a number"]
]

const inWords = (expected: string) => examples.reduce((text, [type, example]) => text.replace(type, example), expected)

/** `SchemaError(Expected a string at ["NAME"])` becomes `NAME is not set` or `NAME is "x": Expected ...`. */
const explain = (error: Config.ConfigError): string => {
  const text = error.message.replace(/^SchemaError\(|\)$/g, "").replace(/\s+/g, " ")
  const [, expected = text, name] = /^(.*) at \["(.+?)"\]$/.exec(text) ?? []
  if (name === undefined) return expected
  const seen = process.env[name]
  if (seen === undefined || seen === "") return `${name} is not set`
  const what = inWords(expected)
  if (isSecret(name)) return `${name}: ${what}`
  return `${name} is "${name.endsWith("URL") ? shown(seen) : seen}": ${what}`
}

export const readAll = Effect.fnUntraced(function* <const C extends Record<string, Config.Config<unknown>>>(
  configs: C
): Effect.fn.Return<{ readonly [K in keyof C]: Config.Success<C[K]> }, SettingsInvalid> {
  const results = yield* Effect.all(configs as Record<string, Config.Config<unknown>>, { mode: "result" })
  const problems = Object.values(results).flatMap((result) =>
    Result.isFailure(result) ? [explain(result.failure)] : []
  )
  if (problems.length > 0) return yield* new SettingsInvalid({ problems })
  return Object.fromEntries(Object.entries(results).map(([name, result]) => [name, Result.getOrThrow(result)])) as {
    readonly [K in keyof C]: Config.Success<C[K]>
  }
})
