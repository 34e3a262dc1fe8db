import { readFile } from "node:fs/promises"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Redacted } from "effect"
import { workerSettings } from "../../../src/programs/settings/worker.ts"

const needed = { VLOG_WORKER_API_URL: "http://api:9002/", VLOG_WORKER_API_KEY: "key" }

const read = (environment: Readonly<Record<string, string>> = {}) =>
  Effect.provide(workerSettings, ConfigProvider.layer(ConfigProvider.fromEnvRecord({ ...needed, ...environment })))

/** Another value than the default for each, so that it shows. */
const others: Readonly<Record<string, string>> = {
  VLOG_WORKER_API_URL: "http://other:9002",
  VLOG_WORKER_API_KEY: "another key",
  VLOG_WORKER_WORK_DIR: "/srv/work",
  VLOG_HWACCEL_PREFERRED_CODEC: "hevc",
  VLOG_HWACCEL_TYPE: "intel",
  VLOG_NVENC_MAX_SESSIONS: "3",
  VLOG_WORKER_CONCURRENCY: "2",
  VLOG_WORKER_HEALTH_PORT: "18080",
  VLOG_WORKER_DRAIN_SECONDS: "240",
  VLOG_WORKER_ONCE: "true",
  VLOG_WORKER_MIN_FREE_SPACE: "2 GiB",
  VLOG_WORKER_LEASE_SECONDS: "120",
  VLOG_WORKER_POLL_INTERVAL: "3",
  VLOG_WORKER_HEARTBEAT_INTERVAL: "15",
  VLOG_WORKER_PROGRESS_INTERVAL: "2",
  VLOG_FFMPEG_STALL_TIMEOUT: "60",
  VLOG_FFMPEG_SANDBOX: "off",
  VLOG_FFMPEG_MAX_MEMORY: "4 GiB"
}

describe("the settings of a worker", () => {
  it.effect("are all that the documentation lists, each with an effect of its own", () =>
    Effect.gen(function* () {
      const guide = yield* Effect.promise(() => readFile(new URL("../../../docs/SETTINGS.md", import.meta.url), "utf8"))
      const chapter = guide.split(/^## /m).find((text) => text.startsWith("Worker (`src/programs/worker.ts`)")) ?? ""
      const documented = [...chapter.matchAll(/^\| `(VLOG_\w+)` \|/gm)].map(([, name]) => name!)
      assert.deepStrictEqual(documented.toSorted(), Object.keys(others).toSorted())
      const code = yield* Effect.promise(() =>
        readFile(new URL("../../../src/programs/settings/worker.ts", import.meta.url), "utf8")
      )
      const known = new Set([...code.matchAll(/"(VLOG_\w+)"/g)].map(([, name]) => name!))
      assert.deepStrictEqual([...known].toSorted(), documented.toSorted())

      const told = (environment: Readonly<Record<string, string>>) =>
        Effect.map(read(environment), (settings) =>
          Object.entries({ ...settings, key: Redacted.value(settings.key) }).map(
            ([name, value]) => `${name} ${JSON.stringify(value)}`
          )
        )
      const usual = yield* told({})
      for (const name of documented) {
        const different = (yield* told({ [name]: others[name]! })).filter((line) => !usual.includes(line))
        assert.strictEqual(different.length, 1, name)
      }
    })
  )

  it.effect("are those that the documentation says, where nothing is set", () =>
    Effect.gen(function* () {
      const settings = yield* read()
      assert.strictEqual(settings.address, "http://api:9002")
      assert.strictEqual(settings.healthPort, 8080)
      assert.strictEqual(settings.nvencSessions, null)
      assert.strictEqual(settings.concurrency, null)
      assert.strictEqual(settings.keepFree, 512 * 1024 * 1024)
      assert.strictEqual(Duration.toSeconds(settings.drainFor), 20)
      assert.strictEqual(settings.codec, "h264")
      assert.deepStrictEqual(settings.policy.backends, ["nvenc", "qsv", "vaapi", "*", "software"])
    })
  )

  for (const [port, wanted] of [
    ["18080", 18_080],
    ["0", null],
    ["off", null]
  ] as const) {
    it.effect(`take VLOG_WORKER_HEALTH_PORT=${port}`, () =>
      Effect.gen(function* () {
        assert.strictEqual((yield* read({ VLOG_WORKER_HEALTH_PORT: port })).healthPort, wanted)
      })
    )
  }

  for (const [type, backends, vendor] of [
    ["nvidia", ["nvenc", "software"], "nvidia"],
    ["intel", ["qsv", "vaapi", "software"], "intel"],
    ["amd", ["vaapi", "software"], "amd"],
    ["none", ["software"], undefined]
  ] as const) {
    it.effect(`take VLOG_HWACCEL_TYPE=${type}`, () =>
      Effect.gen(function* () {
        const { policy } = yield* read({ VLOG_HWACCEL_TYPE: type })
        assert.deepStrictEqual(policy.backends, backends)
        assert.strictEqual(policy.vendor, vendor)
      })
    )
  }

  it.effect("take a name and a password out of the address, which is told in logs", () =>
    Effect.gen(function* () {
      const settings = yield* read({
        VLOG_WORKER_API_URL: "https://us%40er:hunter2@api.example:9002/base/?token=hunter3"
      })
      assert.strictEqual(settings.address, "https://api.example:9002/base")
      assert.strictEqual(settings.login?.name, "us@er")
      assert.strictEqual(Redacted.value(settings.login!.password), "hunter2")
      assert.notInclude(JSON.stringify(settings), "hunter")
    })
  )

  it.effect("do not tell the password of an address that is wrong", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read({ VLOG_WORKER_API_URL: "ftp://user:hunter2@api.example" }))
      assert.include(error.message, "VLOG_WORKER_API_URL")
      assert.notInclude(error.message, "hunter2")
    })
  )

  it.effect("take what an operator sets", () =>
    Effect.gen(function* () {
      const settings = yield* read({
        VLOG_HWACCEL_PREFERRED_CODEC: "av1",
        VLOG_NVENC_MAX_SESSIONS: "3",
        VLOG_WORKER_CONCURRENCY: "2",
        VLOG_WORKER_MIN_FREE_SPACE: "2 GiB",
        VLOG_WORKER_DRAIN_SECONDS: "240"
      })
      assert.strictEqual(settings.codec, "av1")
      assert.strictEqual(settings.nvencSessions, 3)
      assert.strictEqual(settings.concurrency, 2)
      assert.strictEqual(settings.keepFree, 2 * 1024 ** 3)
      assert.strictEqual(Duration.toSeconds(settings.drainFor), 240)
    })
  )

  for (const [name, value] of [
    ["VLOG_WORKER_HEALTH_PORT", "http"],
    ["VLOG_WORKER_HEALTH_PORT", "70000"],
    ["VLOG_NVENC_MAX_SESSIONS", "0"],
    ["VLOG_NVENC_MAX_SESSIONS", "2.5"],
    ["VLOG_WORKER_CONCURRENCY", "0"],
    ["VLOG_WORKER_DRAIN_SECONDS", "soon"],
    ["VLOG_WORKER_DRAIN_SECONDS", "-1"],
    ["VLOG_HWACCEL_TYPE", "apple"]
  ] as const) {
    it.effect(`refuse ${name}=${value}, by its name`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(read({ [name]: value }))
        assert.include(error.message, name)
      })
    )
  }
})
