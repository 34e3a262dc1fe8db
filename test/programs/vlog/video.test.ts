import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { vi } from "vitest"
import { adminSecret, testServer, TestServer } from "../../adapters/worker-api/support/server.ts"
import { vlog } from "../../support/vlog.ts"

// Each test starts the program several times.
vi.setConfig({ testTimeout: 90_000 })

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "vlog-video-command-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

layer(testServer())("vlog video and vlog job", (it) => {
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
