import { randomBytes } from "node:crypto"
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { vi } from "vitest"
import { adminSecret, testServer, TestServer } from "../../adapters/worker-api/support/server.ts"
import { freePort } from "../../support/programs.ts"
import { vlog } from "../../support/vlog.ts"

// Each test starts the program several times.
vi.setConfig({ testTimeout: 60_000 })

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "vlog-worker-command-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const environment = Effect.map(TestServer, ({ address }) => ({
  VLOG_API_URL: address,
  VLOG_WORKER_ADMIN_SECRET: adminSecret
}))

const call = (key: string) =>
  Effect.flatMap(TestServer, ({ address }) =>
    Effect.promise(async () => {
      const answer = await fetch(`${address}/api/worker/heartbeat`, {
        method: "POST",
        headers: { "x-worker-api-key": key, "content-type": "application/json" },
        body: JSON.stringify({ status: "idle", metadata: {} })
      })
      return answer.status
    })
  )

layer(testServer())("vlog worker", (it) => {
  it.effect("registers, shows, rotates and revokes", () =>
    Effect.gen(function* () {
      const env = yield* environment
      const path = yield* folder
      const empty = yield* vlog(["worker", "list"], { env })
      assert.deepStrictEqual(empty, {
        exitCode: 0,
        stderr: "",
        stdout: "There is no worker. Make one with: vlog worker register NAME"
      })
      const made = yield* vlog(["worker", "register", "first", "--json"], { env })
      const { api_key, worker_id } = JSON.parse(made.stdout)
      assert.strictEqual(yield* call(api_key), 200)

      const list = yield* vlog(["worker", "list"], { env })
      assert.match(list.stdout, new RegExp(`^NAME +ID .*\nfirst +${worker_id} +idle +\\d+ s ago +- +-$`))
      assert.notInclude(list.stdout, "\u001B")
      const shown = yield* vlog(["worker", "show", "first", "--json"], { env })
      assert.deepInclude(JSON.parse(shown.stdout), { worker_id, worker_name: "first", worker_type: "remote" })

      const keyFile = join(path, "key")
      const rotated = yield* vlog(
        ["worker", "rotate", "first", "--overlap", "0 seconds", "--key-file", keyFile, "--json"],
        { env }
      )
      const key = (yield* Effect.promise(() => readFile(keyFile, "utf8"))).trim()
      assert.strictEqual((yield* Effect.promise(() => stat(keyFile))).mode & 0o777, 0o600)
      assert.notInclude(rotated.stdout + rotated.stderr, key)
      assert.strictEqual(JSON.parse(rotated.stdout).key_file, keyFile)
      assert.strictEqual(yield* call(api_key), 401)
      assert.strictEqual(yield* call(key), 200)

      const again = yield* vlog(["worker", "rotate", "first", "--key-file", keyFile], { env })
      assert.strictEqual(again.exitCode, 1)
      assert.include(again.stderr, "cannot be made")
      assert.strictEqual(yield* call(key), 200)

      const revoked = yield* vlog(["worker", "revoke", worker_id], { env })
      assert.strictEqual(revoked.stdout, `${worker_id} may not work any more.`)
      assert.strictEqual(yield* call(key), 401)
    })
  )

  it.effect("wants an id where a name is not enough", () =>
    Effect.gen(function* () {
      const env = yield* environment
      for (const _ of [1, 2]) yield* vlog(["worker", "register", "twin"], { env })
      const ended = yield* vlog(["worker", "revoke", "twin"], { env })
      assert.strictEqual(ended.exitCode, 1)
      assert.match(
        ended.stderr,
        /^error: 2 workers have the name twin: name one by its id\n(  [0-9a-f-]{36} \(active\)\n?){2}$/
      )
    })
  )

  it.effect("takes the secret from a file, and the farm of npm start where nothing else is said", () =>
    Effect.gen(function* () {
      const { address } = yield* TestServer
      const path = yield* folder
      const file = join(path, "secret")
      yield* Effect.promise(() => writeFile(file, `${adminSecret}\n`))
      const byFile = yield* vlog(["worker", "list", "--api", `${address}/`, "--secret-file", file, "--json"])
      assert.strictEqual(byFile.exitCode, 0, byFile.stderr)

      yield* Effect.promise(async () => {
        await mkdir(join(path, "data"))
        await writeFile(join(path, "data/secrets.json"), JSON.stringify({ adminSecret, address }))
      })
      const local = yield* vlog(["worker", "list", "--json"], { cwd: path })
      assert.strictEqual(local.stdout, byFile.stdout)
      assert.strictEqual(local.stderr, `Using the farm of npm start in ./data: ${address}`)
      const elsewhere = yield* vlog(["worker", "list", "--api", address], { cwd: path })
      assert.strictEqual(elsewhere.exitCode, 78)
      assert.include(elsewhere.stderr, `there is no secret for ${address}`)
    })
  )

  it.effect("says what is wrong, and by its exit code of which kind", () =>
    Effect.gen(function* () {
      const env = yield* environment
      const nobody = `http://127.0.0.1:${yield* Effect.promise(freePort)}`
      const cases: ReadonlyArray<{
        readonly args: ReadonlyArray<string>
        readonly env: Readonly<Record<string, string>>
        readonly code: number
        readonly says: string
      }> = [
        { args: ["worker", "lst"], env, code: 1, says: "Did you mean this?" },
        { args: ["worker", "list", "--jsn"], env, code: 1, says: "Unrecognized flag: --jsn" },
        { args: ["worker", "rotate", "x", "--overlap", "soon"], env, code: 1, says: "--overlap" },
        { args: ["worker", "list", "--api", "ftp://x"], env, code: 1, says: "an address like http://host:9002" },
        { args: ["video", "show", ".."], env, code: 1, says: "a name as the list command shows it" },
        { args: ["key", "revoke", ""], env, code: 1, says: "a name as the list command shows it" },
        { args: ["worker", "show", "nobody"], env, code: 66, says: "there is no worker nobody" },
        {
          args: ["worker", "list"],
          env: { ...env, VLOG_API_URL: nobody },
          code: 69,
          says: `${nobody} (from VLOG_API_URL) cannot be reached (ECONNREFUSED)`
        },
        {
          args: ["worker", "list"],
          env: { ...env, VLOG_WORKER_ADMIN_SECRET: "wrong" },
          code: 77,
          says: "rejects the secret from VLOG_WORKER_ADMIN_SECRET"
        },
        { args: ["worker", "list"], env: { VLOG_API_URL: "nowhere" }, code: 78, says: "VLOG_API_URL" },
        {
          args: ["worker", "list"],
          env: { VLOG_API_URL: nobody },
          code: 78,
          says: "set VLOG_WORKER_ADMIN_SECRET to that of the Worker API"
        },
        {
          args: ["worker", "list", "--secret-file", "/nowhere"],
          env,
          code: 78,
          says: "--secret-file /nowhere cannot be read"
        }
      ]
      const ended = yield* Effect.forEach(cases, ({ args, env }) => vlog(args, { env }), { concurrency: 3 })
      for (const [index, { code, says }] of cases.entries()) {
        const { exitCode, stderr, stdout } = ended[index]!
        assert.include(stderr, says)
        assert.strictEqual(exitCode, code, stderr)
        assert.strictEqual(stdout, "")
        assert.notInclude(stderr, adminSecret)
        assert.notMatch(stderr, /^\s+at /m)
      }
    })
  )

  it.effect("fails where its result is on no disk", () =>
    Effect.gen(function* () {
      const env = yield* environment
      const { exitCode, stderr } = yield* vlog(["worker", "list", "--json"], { env, stdout: "/dev/full" })
      assert.strictEqual(exitCode, 73)
      assert.match(stderr, /^error: the result cannot be written: .*ENOSPC/)
    })
  )

  it.effect("lets a worker of a VLog server go on with its key, which must be one and nobody else's", () =>
    Effect.gen(function* () {
      const env = yield* environment
      const file = join(yield* folder, "key")
      const key = randomBytes(32).toString("base64url")
      const bring = (text: string) =>
        Effect.andThen(
          Effect.promise(() => writeFile(file, text)),
          vlog(["worker", "register", "old", "--bring-key", file], { env })
        )
      assert.strictEqual(yield* call(key), 401)
      const made = yield* bring(`${key}\n`)
      assert.match(made.stdout, /^The new worker is \S+\. It goes on with the key that it has\.$/)
      assert.strictEqual(yield* call(key), 200)
      assert.strictEqual(yield* call(key.replace(/^./, (first) => (first === "x" ? "y" : "x"))), 401)
      const twice = yield* bring(key)
      assert.include(twice.stderr, "A worker has this key already")
      assert.strictEqual(twice.exitCode, 1)
      const malformed = yield* bring("secret")
      assert.include(malformed.stderr, "This is no key of a VLog server")
      const both = ["worker", "register", "old", "--bring-key", file, "--key-file", `${file}.new`]
      assert.include((yield* vlog(both, { env })).stderr, "--key-file is for a new key")
      yield* vlog(["worker", "revoke", "old"], { env })
      assert.strictEqual(yield* call(key), 401)
    })
  )
})
