import { readFile } from "node:fs/promises"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Redacted } from "effect"
import { apiSettings } from "../../../src/programs/settings/api.ts"

const needed = { VLOG_DATABASE_URL: "postgres://a@b/c", VLOG_WORKER_ADMIN_SECRET: "correct-horse-battery" }

const read = (environment: Readonly<Record<string, string>> = {}) =>
  Effect.provide(apiSettings, ConfigProvider.layer(ConfigProvider.fromEnvRecord({ ...needed, ...environment })))

/** Another value than the default for each, so that it shows. */
const others: Readonly<Record<string, string>> = {
  VLOG_DATABASE_URL: "postgres://x@y/z",
  VLOG_DATABASE_POOL_MAX: "20",
  VLOG_WORKER_ADMIN_SECRET: "staple-battery-horse",
  VLOG_STORAGE_PATH: "/srv/storage",
  VLOG_WORKER_API_HOST: "127.0.0.1",
  VLOG_WORKER_API_PORT: "19002",
  VLOG_WORKER_CLAIM_DURATION: "60",
  VLOG_GPU_WAIT: "0 seconds",
  VLOG_SWEEP_INTERVAL: "1 second",
  VLOG_MAX_UPLOAD_SIZE: "1 GiB",
  VLOG_UPLOAD_EXPIRES: "1 hour",
  VLOG_MAX_HLS_SINGLE_FILE_SIZE: "1 MiB",
  VLOG_MAX_HLS_ARCHIVE_SIZE: "1 GiB",
  VLOG_MAX_HLS_ARCHIVE_FILES: "10",
  VLOG_RATE_LIMIT_ENABLED: "false",
  VLOG_RATE_LIMIT_WORKER_DEFAULT: "1/hour",
  VLOG_RATE_LIMIT_WORKER_PROGRESS: "1/hour",
  VLOG_RATE_LIMIT_WORKER_UPLOAD: "1/hour",
  VLOG_RATE_LIMIT_WORKER_REGISTER: "1/hour",
  VLOG_RATE_LIMIT_FAILURES: "1/hour",
  VLOG_TRUSTED_PROXIES: "10.0.0.1",
  VLOG_METRICS_TOKEN: "token"
}

describe("the settings of the Worker API", () => {
  it.effect("are all that the documentation lists, each with an effect of its own", () =>
    Effect.gen(function* () {
      const guide = yield* Effect.promise(() => readFile(new URL("../../../docs/SETTINGS.md", import.meta.url), "utf8"))
      const chapter = guide.split(/^## /m).find((text) => text.startsWith("Worker API (`src/programs/api.ts`)")) ?? ""
      const documented = [...chapter.matchAll(/^\| `(VLOG_\w+)` \|/gm)].map(([, name]) => name!)
      assert.deepStrictEqual(documented.toSorted(), Object.keys(others).toSorted())

      const told = (environment: Readonly<Record<string, string>>) =>
        Effect.map(read(environment), (settings) =>
          Object.entries(settings).map(
            ([name, value]) => `${name} ${inspect(Redacted.isRedacted(value) ? Redacted.value(value) : value)}`
          )
        )
      const usual = yield* told({})
      for (const name of documented) {
        const different = (yield* told({ [name]: others[name]! })).filter((line) => !usual.includes(line))
        assert.strictEqual(different.length, 1, name)
      }
    })
  )

  it.effect("take no word for its opposite", () =>
    Effect.gen(function* () {
      for (const [word, limited] of [
        ["true", true],
        ["1", true],
        ["false", false],
        ["0", false],
        ["no", false]
      ] as const) {
        assert.strictEqual((yield* read({ VLOG_RATE_LIMIT_ENABLED: word })).rateLimits !== null, limited, word)
      }
      const error = yield* Effect.flip(read({ VLOG_RATE_LIMIT_ENABLED: "False" }))
      assert.include(error.message, "VLOG_RATE_LIMIT_ENABLED")
    })
  )

  for (const [name, value] of [
    ["VLOG_DATABASE_POOL_MAX", "1"],
    ["VLOG_WORKER_CLAIM_DURATION", "0"],
    ["VLOG_WORKER_CLAIM_DURATION", "1.5"],
    ["VLOG_GPU_WAIT", "-1 minute"],
    ["VLOG_GPU_WAIT", "Infinity"],
    ["VLOG_SWEEP_INTERVAL", "0 seconds"],
    ["VLOG_UPLOAD_EXPIRES", "0 seconds"],
    ["VLOG_MAX_HLS_ARCHIVE_FILES", "0"]
  ] as const) {
    it.effect(`refuse ${name}=${value}, by its name`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(read({ [name]: value }))
        assert.include(error.message, name)
      })
    )
  }
})
