/** Reads every setting before complaining, so that one restart is enough to mend them all. */
import { Config, Effect, Result, Schema } from "effect"

export class SettingsInvalid extends Schema.TaggedError<SettingsInvalid>()("SettingsInvalid", {
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return `The settings are not right:\n${this.problems.map((problem) => `  - ${problem}`).join("\n")}`
  }
}

/** `SchemaError(Expected a string at ["NAME"])` becomes `NAME: Expected a string`. */
const explain = (error: Config.ConfigError): string => {
  const text = error.message.replace(/^SchemaError\(|\)$/g, "").replace(/\s+/g, " ")
  const [, what = text, name] = /^(.*) at \["(.+?)"\]$/.exec(text) ?? []
  if (name === undefined) return what
  return /Missing|Expected string, got undefined|Expected string$/.test(what)
    ? `${name} is not set`
    : `${name}: ${what}`
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
