import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { vi } from "vitest"
import { adminSecret, testServer, TestServer } from "../../adapters/worker-api/support/server.ts"
import { send, uploadVideo } from "../../adapters/worker-api/support/wire.ts"
import { until } from "../../support/programs.ts"
import { vlog } from "../../support/vlog.ts"

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
