import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { readdir } from "node:fs/promises"
import { connect } from "node:net"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { Db } from "../../../../src/adapters/postgres/Db.ts"
import { adminSecret, maxPartBytes, TestServer, testServer } from "../support/server.ts"
import { register, send, sha256, uploadVideo, workerAt } from "../support/wire.ts"

const admin = { "x-admin-secret": adminSecret }

/** Writes what it is given and collects what comes back until the other side closes or the time is up. */
const raw = (port: number, text: string, millis = 3000): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = ""
    const socket = connect(port, "127.0.0.1", () => socket.write(text))
    const done = () => {
      socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(done, millis)
    socket.on("data", (chunk) => {
      answer += chunk.toString()
      if (answer.includes("\r\n\r\n")) {
        clearTimeout(timer)
        setTimeout(done, 100)
      }
    })
    socket.on("error", reject)
  })

describe("the guard", () => {
  layer(testServer(), { timeout: 60_000, excludeTestServices: true })((it) => {
    it.effect("answers before any of a body has come, and stores none of it", () =>
      Effect.gen(function* () {
        const { address, port, root } = yield* TestServer
        yield* Effect.promise(async () => {
          const { key } = await register(address, "early")
          const announce = (path: string, headers: string) =>
            raw(port, `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000\r\n${headers}\r\n`)
          const form = "Content-Type: multipart/form-data; boundary=x\r\n"
          for (const path of [
            "/api/worker/upload/1/quality/480p",
            "/api/worker/upload/1",
            "/api/worker/upload/1/finalize"
          ]) {
            assert.match(await announce(path, form), /^HTTP\/1\.1 401 /, path)
            // A key is not enough: the claim is looked at first as well.
            assert.match(await announce(path, `${form}X-Worker-API-Key: ${key}\r\n`), /^HTTP\/1\.1 403 /, path)
          }
          assert.match(
            await announce("/api/worker/heartbeat", "Content-Type: application/json\r\n"),
            /^HTTP\/1\.1 401 /
          )
          assert.match(await announce("/api/videos?filename=a.mp4", ""), /^HTTP\/1\.1 401 /)
          const json = "Content-Type: application/json\r\n"
          assert.match(
            await announce("/api/worker/heartbeat", `${json}X-Worker-API-Key: ${key}\r\n`),
            /^HTTP\/1\.1 413 /
          )
          assert.match(
            await announce("/api/videos?filename=a.mp4", `X-Admin-Secret: ${adminSecret}\r\n`),
            /^HTTP\/1\.1 413 /
          )
          assert.deepStrictEqual(await readdir(join(root, "tmp")), [])
        })
      })
    )

    it.effect("counts the bytes of a body that hides its length", () =>
      Effect.gen(function* () {
        const { address, root } = yield* TestServer
        yield* Effect.promise(async () => {
          const { key } = await register(address, "large")
          const { video } = await uploadVideo(address, "large.mp4", Buffer.from("not a film, but a source"))
          const worker = workerAt(address, key)
          await worker.bare("/api/worker/claim")
          const path = `/api/worker/upload/${video.id}/segment/480p/seg_0000.ts`
          const bytes = Buffer.alloc(maxPartBytes + 1, 0x47)
          const known = await worker.segment(path, bytes)
          assert.deepStrictEqual([known.status, known.json["detail"]], [400, "File too large"])
          const chunked = await fetch(`${address}${path}`, {
            method: "POST",
            headers: { "x-worker-api-key": key, "x-content-sha256": sha256(bytes) },
            body: new ReadableStream({
              start: (controller) => {
                controller.enqueue(bytes)
                controller.close()
              }
            }),
            duplex: "half"
          } as RequestInit)
          assert.deepStrictEqual([chunked.status, await chunked.json()], [400, { detail: "File too large" }])

          const segment = Buffer.concat([Buffer.from([0x47]), Buffer.alloc(187)])
          const spoiled = await worker.segment(path, segment, sha256(Buffer.from("other")))
          assert.match(String(spoiled.json["detail"]), /^Checksum verification failed/)
          for (const [digest, wrong] of [
            [sha256(segment).toUpperCase(), segment],
            ["nonsense", segment]
          ] as const) {
            assert.strictEqual((await worker.segment(path, wrong, digest)).status, 400)
          }
          for (const name of ["..%2f..%2fx.ts", "a%00.ts", "%252e.ts", "x.exe", "seg_0000.TS", ".ts", "a%0ab.ts"]) {
            const answer = await worker.segment(`/api/worker/upload/${video.id}/segment/480p/${name}`, segment)
            assert.include([400, 404], answer.status, name)
          }
          for (const quality of ["..", "%2e%2e", "480P", "a%2fb"]) {
            const answer = await worker.segment(`/api/worker/upload/${video.id}/segment/${quality}/a.ts`, segment)
            assert.include([400, 404], answer.status, quality)
          }
          const short = await worker.segment(path, Buffer.from([0x47, 1, 2]))
          assert.match(String(short.json["detail"]), /^Invalid file format/)
          assert.deepStrictEqual(await readdir(join(root, "tmp")), [])
        })
      })
    )

    it.effect("takes two keys of a worker for a while, then only the newer", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        const db = yield* Db
        const { id, key } = yield* Effect.promise(() => register(address, "rotating"))
        const rotate = (overlap: number) =>
          send(address, `/api/workers/${id}/rotate?overlap=${overlap}`, { method: "POST", headers: admin, body: "" })
        const beats = async (with_: string) => (await workerAt(address, with_).post("/api/worker/heartbeat", {})).status
        const second = yield* Effect.promise(() => rotate(60))
        const newer = String(second.json["api_key"])
        assert.deepStrictEqual(yield* Effect.promise(() => Promise.all([beats(key), beats(newer)])), [200, 200])
        const third = yield* Effect.promise(() => rotate(60))
        const newest = String(third.json["api_key"])
        // Never more than two.
        assert.deepStrictEqual(
          yield* Effect.promise(() => Promise.all([beats(key), beats(newer), beats(newest)])),
          [401, 200, 200]
        )
        yield* db.query(
          (sql) =>
            sql`update worker_key set expires_at = now() - interval '1 second' where worker_id = ${id} and expires_at is not null`
        )
        const expired = yield* Effect.promise(() => workerAt(address, newer).post("/api/worker/heartbeat", {}))
        assert.deepStrictEqual([expired.status, expired.json["detail"]], [401, "API key expired"])
        assert.strictEqual(yield* Effect.promise(() => beats(newest)), 200)
        const nobody = yield* Effect.promise(() =>
          send(address, "/api/workers/nobody/rotate", { method: "POST", headers: admin, body: "" })
        )
        assert.strictEqual(nobody.status, 404)
      })
    )

    it.effect("shuts a revoked worker out at once and for good, and gives its job to others", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        const db = yield* Db
        const { id, key } = yield* Effect.promise(() => register(address, "revoked"))
        const job = yield* Effect.promise(async () => {
          await uploadVideo(address, "revoked.mp4", Buffer.from("another source"))
          const claim = await workerAt(address, key).bare("/api/worker/claim")
          return Number(claim.json["job_id"])
        })
        yield* Effect.promise(async () => {
          const revoke = () => send(address, `/api/workers/${id}/revoke`, { method: "POST", headers: admin, body: "" })
          assert.strictEqual((await revoke()).text, `{"status":"ok","message":"Worker ${id} has been revoked"}`)
          assert.strictEqual((await revoke()).status, 200)
          const beat = await workerAt(address, key).post("/api/worker/heartbeat", {})
          assert.deepStrictEqual([beat.status, beat.json["detail"]], [401, "Invalid API key"])
          const other = workerAt(address, (await register(address, "heir")).key)
          const claim = await other.bare("/api/worker/claim")
          assert.deepInclude(claim.json, { job_id: job, attempt: 1 })
          const missing = await send(address, "/api/workers/nobody/revoke", {
            method: "POST",
            headers: admin,
            body: ""
          })
          assert.deepStrictEqual([missing.status, missing.json["detail"]], [404, "Worker not found"])
        })
        // Even with a key that lives, disabled is disabled.
        yield* db.query((sql) => sql`update worker_key set revoked_at = null where worker_id = ${id}`)
        yield* Effect.promise(async () => {
          const beat = await workerAt(address, key).post("/api/worker/heartbeat", { status: "active" })
          assert.deepStrictEqual([beat.status, beat.json["detail"]], [403, "Worker is disabled"])
          const listed = await send(address, "/api/workers", { headers: admin })
          const found = (listed.json["workers"] as Array<Record<string, unknown>>).find(
            (worker) => worker["worker_id"] === id
          )
          assert.strictEqual(found?.["status"], "disabled")
        })
      })
    )

    it.effect("gives nothing to a worker that was revoked while it waited for a job", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        yield* Effect.promise(async () => {
          const { id, key } = await register(address, "revoked while it waits")
          const heir = workerAt(address, (await register(address, "still there")).key)
          while ((await heir.bare("/api/worker/claim")).json["job_id"] !== null) continue
          const waiting = workerAt(address, key).bare("/api/worker/claim?wait=4")
          await delay(300)
          const revoked = await send(address, `/api/workers/${id}/revoke`, { method: "POST", headers: admin, body: "" })
          assert.strictEqual(revoked.status, 200)
          const { job } = await uploadVideo(address, "late.mp4", Buffer.from("a source that comes late"))
          assert.strictEqual((await waiting).json["job_id"], null)
          assert.strictEqual((await heir.bare("/api/worker/claim")).json["job_id"], job.id)
        })
      })
    )

    it.effect("keeps of what a worker says no more than it may say at once, but what claims need", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        yield* Effect.promise(async () => {
          const { id, key } = await register(address, "talkative")
          const worker = workerAt(address, key)
          const capabilities = { supported_codecs: ["h264", "av1"] }
          await worker.post("/api/worker/heartbeat", { metadata: { capabilities, deployment_type: "docker" } })
          const metadata = async () => {
            const listed = await send(address, "/api/workers", { headers: admin })
            return (listed.json["workers"] as Array<Record<string, any>>).find((one) => one["worker_id"] === id)![
              "metadata"
            ]
          }
          await worker.post("/api/worker/heartbeat", { metadata: { disk: 5 } })
          assert.deepStrictEqual(await metadata(), { capabilities, deployment_type: "docker", disk: 5 })
          for (let n = 0; n < 5; n++) {
            const beat = await worker.post("/api/worker/heartbeat", { metadata: { [`at ${n}`]: "x".repeat(9000) } })
            assert.strictEqual(beat.status, 200)
          }
          const kept = await metadata()
          assert.isBelow(JSON.stringify(kept).length, 21_000)
          assert.deepStrictEqual(kept["capabilities"], capabilities)
          assert.property(kept, "at 4")
        })
      })
    )

    it.effect("wakes a worker that waits for a job, and lets it go when none comes", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        yield* Effect.promise(async () => {
          const worker = workerAt(address, (await register(address, "waiting")).key)
          while ((await worker.bare("/api/worker/claim")).json["job_id"] !== null) continue
          const started = performance.now()
          const none = await worker.bare("/api/worker/claim?wait=1")
          assert.strictEqual(none.json["job_id"], null)
          assert.isAtLeast(performance.now() - started, 950)
          const waiting = worker.bare("/api/worker/claim?wait=30")
          const from = performance.now()
          const { job } = await uploadVideo(address, "awaited.mp4", Buffer.from("an awaited source"))
          assert.strictEqual((await waiting).json["job_id"], job.id)
          assert.isBelow(performance.now() - from, 4000)
          assert.strictEqual((await worker.bare("/api/worker/claim?wait=61")).status, 422)
        })
      })
    )
  })

  layer(testServer({ failure: { count: 5, period: "hour" }, progress: { count: 3, period: "hour" } }), {
    timeout: 60_000
  })("with small limits", (it) => {
    it.effect("stops a flood by key, and a guesser by address", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        yield* Effect.promise(async () => {
          const one = workerAt(address, (await register(address, "one")).key)
          const two = workerAt(address, (await register(address, "two")).key)
          const progress = { progress_percent: 1 }
          const statuses: Array<number> = []
          for (let n = 0; n < 4; n++) statuses.push((await one.post("/api/worker/999/progress", progress)).status)
          assert.deepStrictEqual(statuses, [404, 404, 404, 429])
          const flooded = await one.post("/api/worker/999/progress", progress)
          assert.deepStrictEqual(flooded.json, { detail: "Rate limit exceeded", error: "3 per 1 hour" })
          assert.isAbove(Number(flooded.headers["retry-after"]), 0)
          // Neither its heartbeats nor anybody else's progress is held up.
          assert.strictEqual((await one.post("/api/worker/heartbeat", {})).status, 200)
          assert.strictEqual((await two.post("/api/worker/999/progress", progress)).status, 404)

          for (let n = 0; n < 5; n++) {
            const answer = await send(address, "/api/workers", { headers: { "x-admin-secret": `guess ${n}` } })
            assert.strictEqual(answer.status, 403)
          }
          assert.strictEqual(
            (await send(address, "/api/workers", { headers: { "x-admin-secret": "guess" } })).status,
            429
          )
          const guess = workerAt(address, "a wrong key")
          const answers: Array<number> = []
          for (let n = 0; n < 6; n++) answers.push((await guess.post("/api/worker/heartbeat", {})).status)
          assert.deepStrictEqual(answers, [401, 401, 401, 401, 401, 429])
          // Its neighbours are not held up by it.
          assert.strictEqual((await two.post("/api/worker/heartbeat", {})).status, 200)
        })
      })
    )
  })
})
