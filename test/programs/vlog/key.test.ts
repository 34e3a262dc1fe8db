import { readFile, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { vi } from "vitest"
import { adminSecret, testServer, TestServer } from "../../adapters/worker-api/support/server.ts"
import { vlog } from "../../support/vlog.ts"

// Each test starts the program several times.
vi.setConfig({ testTimeout: 60_000 })

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "vlog-key-command-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

layer(testServer())("vlog key", (it) => {
  it.effect("makes a key that does what its scope says, lists it, and ends it", () =>
    Effect.gen(function* () {
      const { address } = yield* TestServer
      const file = join(yield* folder, "ann.key")
      const as = (secret: string, ...args: ReadonlyArray<string>) =>
        vlog(args, { env: { VLOG_API_URL: address, VLOG_WORKER_ADMIN_SECRET: secret } })

      const made = yield* as(adminSecret, "key", "create", "dashboard", "--json")
      assert.strictEqual(made.exitCode, 0, made.stderr)
      const read = JSON.parse(made.stdout)
      assert.deepInclude(read, { name: "dashboard", scope: "read", expires_at: null })
      assert.strictEqual((yield* as(read.key, "job", "list")).exitCode, 0)
      assert.strictEqual((yield* as(read.key, "key", "create", "more")).exitCode, 77)

      const forAnHour = ["--scope", "admin", "--expires", "1 hour", "--key-file", file]
      const admin = yield* as(adminSecret, "key", "create", "ann", ...forAnHour)
      assert.match(admin.stdout, /^The new key is \S+; it is taken until \d{4}-.*Z\.\nIts key is in .*ann\.key\.$/)
      const secret = (yield* Effect.promise(() => readFile(file, "utf8"))).trim()
      assert.notInclude(admin.stdout + admin.stderr, secret)

      const revoked = yield* as(secret, "key", "revoke", read.id)
      assert.strictEqual(revoked.stdout, `Key ${read.id} is not taken any more.`)
      assert.strictEqual((yield* as(read.key, "job", "list")).exitCode, 77)
      assert.strictEqual((yield* as(secret, "key", "revoke", "nobody")).exitCode, 66)
      const { stdout } = yield* as(secret, "key", "list")
      assert.match(stdout, /^ID +NAME +SCOPE +STATE +CREATED\n\S+ +ann +admin +until \S+Z +\d+ s ago\n/)
      assert.match(stdout, new RegExp(`\n${read.id} +dashboard +read +revoked `))
      assert.notInclude(stdout, read.key)
    })
  )

  it.effect("refuses what the API would not take, by the name of the flag", () =>
    Effect.gen(function* () {
      const { address } = yield* TestServer
      const env = { VLOG_API_URL: address, VLOG_WORKER_ADMIN_SECRET: adminSecret }
      for (const [flag, args] of [
        ["--expires", ["key", "create", "ann", "--expires", "10 seconds"]],
        ["<name>", ["key", "create", "x".repeat(101)]],
        ["<name>", ["worker", "register", "x".repeat(101)]],
        ["--overlap", ["worker", "rotate", "one", "--overlap", "31 days"]],
        ["--search", ["video", "list", "--search", "x".repeat(201)]],
        ["--title", ["video", "upload", "x.mp4", "--title", "x".repeat(201)]]
      ] as const) {
        const { exitCode, stderr } = yield* vlog(args, { env })
        assert.strictEqual(exitCode, 1, stderr)
        assert.match(stderr, new RegExp(`^error: Invalid value for .* ?${flag}: "[^"]+"\\. Expected a `), flag)
        assert.notInclude(stderr, "Schema")
      }
    })
  )

  it.effect("leaves no empty file where no key was made", () =>
    Effect.gen(function* () {
      const { address } = yield* TestServer
      const file = join(yield* folder, "ann.key")
      const as = (secret: string) =>
        vlog(["key", "create", "ann", "--key-file", file], {
          env: { VLOG_API_URL: address, VLOG_WORKER_ADMIN_SECRET: secret }
        })
      assert.strictEqual((yield* as("another-secret-of-others")).exitCode, 77)
      const made = yield* as(adminSecret)
      assert.strictEqual(made.exitCode, 0, made.stderr)
      assert.match(yield* Effect.promise(() => readFile(file, "utf8")), /^vlogr_/)
    })
  )
})
