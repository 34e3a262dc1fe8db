import { createHash, randomBytes } from "node:crypto"
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import { type AddressInfo, connect, createServer as createTcpServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { vi } from "vitest"
import { adminSecret, testServer, TestServer } from "../../adapters/worker-api/support/server.ts"
import { send, uploadVideo } from "../../adapters/worker-api/support/wire.ts"
import { until } from "../../support/programs.ts"
import { startVlog, vlog } from "../../support/vlog.ts"

// Each test starts the program several times.
vi.setConfig({ testTimeout: 90_000 })

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "vlog-video-command-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** In front of the API, with what an API before events says of them. */
const withoutEvents = async (address: string, asked: Array<string>) => {
  const server = createServer((request, response) => {
    asked.push(request.url!)
    if (request.url!.endsWith("/events")) {
      response.writeHead(404, { "content-type": "application/json" }).end('{"detail":"Not Found"}')
      return
    }
    void send(address, request.url!, { headers: { "x-admin-secret": adminSecret } }).then(({ status, text }) =>
      response.writeHead(status, { "content-type": "application/json" }).end(text)
    )
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  const { port } = server.address() as AddressInfo
  return { address: `http://127.0.0.1:${port}`, close: () => server.close() }
}

/** A server that knows nothing of what it is asked. */
const answering = (status: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer((_, response) =>
        response.writeHead(status, { "content-type": "application/json" }).end('{"detail":"Not Found"}')
      )
      await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
      return server
    }),
    (server) => Effect.sync(() => server.close())
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))

/** In front of the API; as often as it is told to, it ends a connection that has brought a megabyte. */
const breakable = (to: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const state = { cuts: 0 }
      const server = createTcpServer((socket) => {
        const upstream = connect(Number(new URL(to).port), "127.0.0.1")
        const end = () => {
          socket.destroy()
          upstream.destroy()
        }
        let brought = 0
        socket.on("data", (bytes) => {
          brought += bytes.length
          upstream.write(bytes)
          if (brought < 1_000_000 || state.cuts === 0) return
          state.cuts -= 1
          end()
        })
        upstream.on("data", (bytes) => socket.write(bytes))
        for (const side of [socket, upstream]) side.on("error", end).on("close", end)
      })
      await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
      return { server, state, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
    }),
    ({ server }) => Effect.sync(() => server.close())
  )

layer(testServer(), { excludeTestServices: true })("vlog video and vlog job", (it) => {
  it.effect("upload, show, reorder, cancel, retry and delete", () =>
    Effect.gen(function* () {
      const { address } = yield* TestServer
      const env = { VLOG_API_URL: address, VLOG_WORKER_ADMIN_SECRET: adminSecret }
      const path = yield* folder
      const file = join(path, "film.mp4")
      yield* Effect.promise(() => writeFile(file, "not a film, but the API takes it"))
      const run = (...args: ReadonlyArray<string>) => vlog(args, { env })

      const sent = yield* run("video", "upload", file, "--title", "The film", "--priority", "7", "--json")
      assert.strictEqual(sent.exitCode, 0, sent.stderr)
      assert.match(sent.stderr, /^film\.mp4: 100 % {2}0\.0 of 0\.0 MB/)
      const [{ job, video }] = JSON.parse(sent.stdout).videos
      assert.deepInclude(video, { slug: "the-film", title: "The film", status: "pending" })
      assert.deepInclude(job, { status: "queued", priority: 7 })
      const id = String(job.id)

      const [videos, jobs, shown] = yield* Effect.all(
        [run("video", "list"), run("job", "list", "--status", "queued"), run("video", "show", "the-film")],
        { concurrency: 3 }
      )
      assert.match(videos.stdout, /^SLUG +TITLE .*\nthe-film +The film +pending +- +32 B +\d+ queued +\d+ s ago$/)
      assert.match(jobs.stdout, new RegExp(`\n${id} +the-film +queued +- +7 +0 of 5 +- `))
      assert.include(shown.stdout, "film.mp4, 32 B")

      assert.strictEqual(
        (yield* run("job", "priority", id, "--", "-5")).stdout,
        `Job ${id} (the-film) has priority -5.`
      )
      assert.strictEqual((yield* run("job", "cancel", id)).stdout, `Job ${id} (the-film) is cancelled.`)
      const watched = yield* run("job", "watch", id)
      assert.strictEqual(watched.exitCode, 65)
      assert.include(watched.stdout, "the-film: cancelled")
      assert.include(watched.stderr, `error: job ${id} (the-film) is cancelled`)
      assert.strictEqual((yield* run("job", "retry", id)).stdout, `Job ${id} (the-film) is queued again.`)

      const unasked = yield* run("video", "delete", "the-film")
      assert.strictEqual(unasked.exitCode, 1)
      assert.include(unasked.stderr, "say --yes")
      assert.strictEqual((yield* run("video", "delete", "the-film", "--yes")).stdout, "the-film is deleted.")
      assert.strictEqual((yield* run("video", "show", "the-film")).exitCode, 66)
    })
  )

  it.effect("watch a job to its end, also where the server cannot tell of events", () =>
    Effect.gen(function* () {
      const { address } = yield* TestServer
      const { job } = yield* Effect.promise(() => uploadVideo(address, "watched.mp4", Buffer.from("not a film")))
      const asked: Array<string> = []
      const older = yield* Effect.promise(() => withoutEvents(address, asked))
      const watch = (from: string) =>
        vlog(["job", "watch", String(job.id)], { env: { VLOG_API_URL: from, VLOG_WORKER_ADMIN_SECRET: adminSecret } })
      const cancel = Effect.promise(async () => {
        await until("it is asked for again", () => asked.filter((path) => path === `/api/jobs/${job.id}`).length > 2)
        await send(address, `/api/jobs/${job.id}/cancel`, {
          method: "POST",
          headers: { "x-admin-secret": adminSecret }
        })
      })
      const [polled, streamed] = yield* Effect.all([watch(older.address), watch(address), cancel], { concurrency: 3 })
      older.close()
      assert.include(asked, `/api/jobs/${job.id}/events`)
      for (const ended of [polled, streamed]) {
        assert.strictEqual(ended.exitCode, 65, ended.stderr)
        assert.match(ended.stdout, /^watched: waiting for a worker\nwatched: cancelled\n/)
      }
    })
  )

  it.effect("upload goes on where it was cut, unless the file is another one by now", () =>
    Effect.gen(function* () {
      const { address } = yield* TestServer
      const { address: through, state } = yield* breakable(address)
      const env = { VLOG_API_URL: through, VLOG_WORKER_ADMIN_SECRET: adminSecret }
      const file = join(yield* folder, "long.mp4")
      const upload = ["video", "upload", file, "--json"]
      const bytes = randomBytes(3_000_000)
      const write = (content: Buffer, changed: Date) =>
        Effect.promise(async () => {
          await writeFile(file, content)
          await utimes(file, changed, changed)
        })
      const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex")
      const digestOf = (stdout: string) => JSON.parse(stdout).videos[0].video.source_sha256 as string
      const [before, after] = [new Date("2026-01-01T00:00:00Z"), new Date("2026-01-02T00:00:00Z")]

      yield* write(bytes, before)
      state.cuts = Infinity
      const killed = startVlog(upload, { env })
      yield* Effect.promise(async () => {
        let said = ""
        killed.nodeChildProcess.stderr!.on("data", (text: Buffer) => (said += text.toString()))
        await until("it tries again", () => said.includes("long.mp4: ") && said.includes("; trying again"))
        killed.kill("SIGKILL")
        await killed
      })

      state.cuts = 0
      const other = randomBytes(3_000_000)
      yield* write(other, after)
      const anew = yield* vlog(upload, { env })
      assert.strictEqual(anew.exitCode, 0, anew.stderr)
      assert.notInclude(anew.stderr, "going on")
      assert.strictEqual(digestOf(anew.stdout), sha256(other))

      yield* write(bytes, before)
      state.cuts = 1
      const again = yield* vlog(upload, { env })
      assert.strictEqual(again.exitCode, 0, again.stderr)
      assert.match(again.stderr, /long\.mp4: going on at \d+ % of an earlier upload/)
      assert.match(again.stderr, /cannot be reached .*; trying again/)
      assert.strictEqual(digestOf(again.stdout), sha256(bytes))
    }).pipe(Effect.scoped)
  )

  it.effect("upload says at once that a server takes no resumable uploads", () =>
    Effect.gen(function* () {
      const file = join(yield* folder, "film.mp4")
      yield* Effect.promise(() => writeFile(file, "not a film"))
      for (const status of [404, 405]) {
        const older = yield* answering(status)
        const ended = yield* vlog(["video", "upload", file], {
          env: { VLOG_API_URL: older, VLOG_WORKER_ADMIN_SECRET: adminSecret }
        })
        assert.strictEqual(ended.exitCode, 1)
        assert.include(ended.stderr, `${older} (from VLOG_API_URL) takes no resumable uploads`)
        assert.notInclude(ended.stderr, "trying again")
      }
    }).pipe(Effect.scoped)
  )

  it.effect("say everything that is wrong with the files, and send none", () =>
    Effect.gen(function* () {
      const { address } = yield* TestServer
      const path = yield* folder
      const empty = join(path, "empty.mp4")
      yield* Effect.promise(() => writeFile(empty, ""))
      const ended = yield* vlog(["video", "upload", "/nowhere.mp4", path, empty], {
        env: { VLOG_API_URL: address, VLOG_WORKER_ADMIN_SECRET: adminSecret }
      })
      assert.strictEqual(ended.exitCode, 66)
      assert.include(ended.stderr, "error: /nowhere.mp4: there is no such file")
      assert.include(ended.stderr, `error: ${path} is a folder`)
      assert.include(ended.stderr, `error: ${empty} is empty`)
    })
  )
})
