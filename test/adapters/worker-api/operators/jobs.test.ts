import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { adminSecret, TestServer, testServer } from "../support/server.ts"
import { Db } from "../../../../src/adapters/postgres/Db.ts"
import { register, send, uploadVideo, workerAt } from "../support/wire.ts"

const operatorAt = (address: string, secret = adminSecret) => {
  const call = (method: string) => (path: string, body?: unknown) =>
    send(address, path, {
      method,
      headers: { "x-admin-secret": secret, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
  return { get: call("GET"), post: call("POST"), patch: call("PATCH"), remove: call("DELETE") }
}

const film = Buffer.from("not a film, but a source")

let count = 0

/** A farm with a worker and a video of its own for each test. */
const farm = (use: (farm: Farm) => Promise<void>) =>
  Effect.gen(function* () {
    const { address, root } = yield* TestServer
    yield* Effect.promise(async () => {
      const name = `film-${++count}`
      const { key } = await register(address, name)
      const { job, video } = await uploadVideo(address, `${name}.mp4`, film)
      await use({
        address,
        root,
        job: job.id,
        video,
        key,
        worker: workerAt(address, key),
        operator: operatorAt(address)
      })
    })
  })

interface Farm {
  readonly address: string
  readonly root: string
  readonly job: number
  readonly key: string
  readonly video: { readonly id: number; readonly slug: string }
  readonly worker: ReturnType<typeof workerAt>
  readonly operator: ReturnType<typeof operatorAt>
}

const claim = async ({ job, worker }: Farm) => {
  const answer = await worker.bare(`/api/worker/claim?job_id=${job}`)
  assert.strictEqual(answer.json["job_id"], job)
  return String(answer.json["lease_id"])
}

const progress = { current_step: "transcode", progress_percent: 10 }

describe("what operators do", () => {
  layer(testServer(), { timeout: 60_000, excludeTestServices: true })((it) => {
    it.effect("cancels a job: the worker is told, and can write no more; and queues it again, with its history", () =>
      farm(async (all) => {
        const { job, operator, worker } = all
        const lease = await claim(all)
        const cancelled = await operator.post(`/api/jobs/${job}/cancel`)
        assert.deepInclude(cancelled.json, { id: job, status: "cancelled" })
        assert.strictEqual((await operator.post(`/api/jobs/${job}/cancel`)).status, 200)
        const beat = await worker.post("/api/worker/heartbeat", { status: "busy" })
        assert.deepStrictEqual(beat.json["cancelled"], [{ job_id: job, lease_id: lease }])
        assert.strictEqual((await worker.post(`/api/worker/${job}/progress`, progress)).status, 409)
        assert.strictEqual((await operator.patch(`/api/jobs/${job}`, { priority: 3 })).status, 409)

        const again = await operator.post(`/api/jobs/${job}/retry`)
        assert.deepInclude(again.json, { status: "queued", attempt: 0, last_error: null, ended_at: null })
        assert.match(String((await operator.post(`/api/jobs/${job}/retry`)).json["detail"]), /active already/)
        const second = await claim(all)
        const { tasks } = (await operator.get(`/api/jobs/${job}`)).json
        assert.deepStrictEqual(
          tasks[0].attempts.map(({ attempt, lease_id, outcome }: any) => [lease_id, attempt, outcome]),
          [
            [lease, 1, "cancelled"],
            [second, 1, null]
          ]
        )
      })
    )

    it.effect(
      "reads what ffmpeg wrote last, and what the worker tells of its attempt, without what spoils a terminal",
      () =>
        farm(async (all) => {
          const { job, operator, worker } = all
          await claim(all)
          const failed = await worker.post(`/api/worker/${job}/fail`, {
            error_message: "It broke\u0000 \u001b[31mbadly",
            retry: false,
            stderr_tail: `${"x".repeat(20_000)}\r\nline\u0007 1\nthe end`,
            notes: ["Encoding with h264_nvenc on 0", "h264_nvenc on 0 failed: no device"]
          })
          assert.deepInclude(failed.json, { will_retry: false })
          const shown = (await operator.get(`/api/jobs/${job}`)).json
          assert.deepInclude(shown, { status: "failed", last_error: "It broke badly" })
          const [attempt] = shown["tasks"][0].attempts
          assert.deepInclude(attempt, { outcome: "failed", error: "It broke badly" })
          assert.match(attempt.stderr, /x\nline 1\nthe end$/)
          assert.strictEqual(attempt.stderr.length, 8192)
          assert.strictEqual(attempt.notes.length, 2)
          assert.deepInclude((await operator.get(`/api/videos/${all.video.slug}`)).json["video"], { status: "failed" })
          assert.match(String((await operator.post(`/api/jobs/${job}/cancel`)).json["detail"]), /has failed/)
          const made = await operator.post(`/api/videos/${all.video.slug}/transcode`, { priority: 7 })
          assert.strictEqual(made.status, 201)
          assert.deepInclude(made.json, { status: "queued", priority: 7 })
          assert.strictEqual((await operator.post(`/api/videos/${all.video.slug}/transcode`, {})).status, 409)
          assert.match(String((await operator.post(`/api/jobs/${job}/retry`)).json["detail"]), /Another job/)
        })
    )

    it.effect("keeps the codec that was wanted when a video is transcoded again", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        const db = yield* Db
        yield* Effect.promise(async () => {
          const { job, video } = await uploadVideo(address, "wanted.mp4&require_codec=av1", film)
          const operator = operatorAt(address)
          await operator.post(`/api/jobs/${job.id}/cancel`)
          assert.strictEqual((await operator.post(`/api/videos/${video.slug}/transcode`, {})).status, 201)
        })
        const wishes = yield* db.query((sql) => sql`select codec, codec_required from job order by id desc limit 2`)
        const wish = { codec: "av1", codec_required: true }
        assert.deepStrictEqual([...wishes], [wish, wish])
      })
    )

    it.effect("lets a job pass before others", () =>
      farm(async (all) => {
        const other = await uploadVideo(all.address, "other.mp4", film)
        const changed = await all.operator.patch(`/api/jobs/${other.job.id}`, { priority: 100 })
        assert.deepInclude(changed.json, { priority: 100, status: "queued" })
        assert.strictEqual((await all.operator.patch(`/api/jobs/${other.job.id}`, { priority: 101 })).status, 422)
        assert.strictEqual((await all.worker.bare("/api/worker/claim")).json["job_id"], other.job.id)
        assert.strictEqual((await all.operator.patch("/api/jobs/999999", { priority: 1 })).status, 404)
      })
    )

    it.effect("deletes a video with everything, while a worker is at it", () =>
      farm(async (all) => {
        const { address, job, operator, root, video, worker } = all
        const lease = await claim(all)
        const gone = await operator.remove(`/api/videos/${video.slug}`)
        assert.deepInclude(gone.json, { status: "ok", ended_leases: 1 })
        assert.deepInclude((await operator.remove(`/api/videos/${video.slug}`)).json, { status: "ok", ended_leases: 0 })
        assert.strictEqual((await operator.remove("/api/videos/never-was")).status, 404)
        assert.strictEqual((await worker.post(`/api/worker/${job}/progress`, progress)).status, 409)
        const source = await worker.get(`/api/worker/source/${video.id}`, { "x-lease-id": lease })
        assert.strictEqual(source.status, 409)
        const beat = await worker.post("/api/worker/heartbeat", { status: "busy" })
        assert.deepStrictEqual(beat.json["cancelled"], [{ job_id: job, lease_id: lease }])
        assert.strictEqual((await operator.get(`/api/jobs/${job}`)).status, 404)
        assert.strictEqual((await send(address, `/watch/${video.slug}`)).status, 404)
        assert.notInclude(await readdir(join(root, "uploads")), `${video.id}.mp4`)
      })
    )

    it.effect("shows how to upload, as safely as the page was opened", () =>
      farm(async ({ address }) => {
        const host = "farm.example"
        const opened = await send(address, "/", { headers: { host } })
        assert.include(opened.text, "http://farm.example/api/videos?filename=")
        const safely = await send(address, "/", { headers: { host, "x-forwarded-proto": "https" } })
        assert.include(safely.text, "https://farm.example/api/videos?filename=")
      })
    )

    it.effect("finds videos and jobs by page, state and text", () =>
      farm(async ({ operator, video }) => {
        const page = (await operator.get("/api/videos?limit=1&offset=1")).json
        assert.deepInclude(page, { limit: 1, offset: 1 })
        assert.isAtLeast(page["total"], 3)
        assert.lengthOf(page["videos"], 1)
        const found = (await operator.get(`/api/videos?q=${video.slug.toUpperCase()}&status=pending`)).json
        assert.deepStrictEqual(
          found["videos"].map((row: any) => row.video.slug),
          [video.slug]
        )
        assert.strictEqual((await operator.get("/api/videos?q=%25")).json["total"], 0)
        assert.strictEqual((await operator.get(`/api/videos?status=ready`)).json["total"], 0)
        const jobs = (await operator.get(`/api/jobs?video=${video.slug}&status=queued`)).json
        assert.deepInclude(jobs, { total: 1 })
        assert.strictEqual((await operator.get(`/api/jobs?video=${video.slug}&status=running`)).json["total"], 0)
        assert.strictEqual((await operator.get("/api/jobs?video=never-was")).json["total"], 0)
        assert.strictEqual((await operator.get("/api/jobs?status=lost")).status, 422)
      })
    )

    it.effect("hands out keys that may only read, and keys that may do everything, and takes them back", () =>
      farm(async ({ address, job, key, operator }) => {
        const mint = async (scope: string) =>
          (await operator.post("/api/keys", { name: `a ${scope}`, scope })).json as { id: string; key: string }
        const [read, admin] = [await mint("read"), await mint("admin")]
        const reader = operatorAt(address, read.key)
        const second = operatorAt(address, admin.key)
        for (const path of ["/api/jobs", `/api/jobs/${job}`, "/api/videos", "/api/workers", "/api/keys"]) {
          assert.strictEqual((await reader.get(path)).status, 200, path)
        }
        for (const path of [
          `/api/jobs/${job}/cancel`,
          "/api/videos?filename=a.mp4",
          "/api/worker/register",
          "/api/keys"
        ]) {
          assert.strictEqual((await reader.post(path, {})).status, 403, path)
        }
        assert.strictEqual((await reader.remove("/api/videos/x")).status, 403)
        assert.strictEqual((await second.post(`/api/jobs/${job}/cancel`)).status, 200)
        assert.strictEqual((await operatorAt(address, key).get("/api/jobs")).status, 403)
        assert.strictEqual((await workerAt(address, admin.key).bare("/api/worker/claim")).status, 401)

        const next = (await operator.post(`/api/keys/${read.id}/rotate?overlap=0`)).json
        assert.strictEqual((await reader.get("/api/jobs")).status, 401)
        assert.strictEqual((await operatorAt(address, String(next["key"])).get("/api/jobs")).status, 200)
        assert.strictEqual((await operator.post(`/api/keys/${admin.id}/revoke`)).status, 200)
        assert.strictEqual((await second.get("/api/jobs")).status, 403)
        assert.strictEqual((await operator.post("/api/keys/nobody/revoke")).status, 404)
        const listed = (await operator.get("/api/keys")).json["keys"] as ReadonlyArray<Record<string, unknown>>
        assert.includeMembers(
          listed.map(({ scope }) => scope),
          ["worker", "read", "admin"]
        )
        assert.notInclude(JSON.stringify(listed), admin.key.slice(20))
      })
    )
  })
})
