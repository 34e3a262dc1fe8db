/** Reads every setting before complaining, so that one restart is enough to mend them all. */
import { Config, Effect, Result, Schema } from "effect"

export class SettingsInvalid extends Schema.TaggedError<SettingsInvalid>()("SettingsInvalid", {
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return `The settings are not right:\n${this.problems.map((problem) => `  - ${problem}`).join("\n")}`
  }
}

/** Values of these are not for a log. */
const isSecret = (name: string) => /KEY|SECRET|PASSWORD|TOKEN|URL/.test(name)

/** `SchemaError(Expected a string at ["NAME"])` becomes `NAME is not set` or `NAME is "x": Expected ...`. */
const explain = (error: Config.ConfigError): string => {
  const text = error.message.replace(/^SchemaError\(|\)$/g, "").replace(/\s+/g, " ")
  const [, what = text, name] = /^(.*) at \["(.+?)"\]$/.exec(text) ?? []
  if (name === undefined) return what
  const seen = process.env[name]
  if (seen === undefined || seen === "") return `${name} is not set`
  return isSecret(name) ? `${name}: ${what}` : `${name} is "${seen}": ${what}`
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
