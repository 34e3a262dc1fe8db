import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import { connect } from "node:net"
import { setTimeout as delay } from "node:timers/promises"
import { until } from "../../../support/programs.ts"
import { adminSecret, TestServer, testServer } from "../support/server.ts"
import { type Answer, register, send, uploadVideo, workerAt } from "../support/wire.ts"

type Guard = "key" | "admin" | "none"

/** The protocol's routes, with paths that lead nowhere. */
const routes: ReadonlyArray<readonly [method: string, path: string, guard: Guard]> = [
  ["POST", "/api/worker/register", "admin"],
  ["POST", "/api/worker/heartbeat", "key"],
  ["POST", "/api/worker/claim", "key"],
  ["POST", "/api/worker/999/progress", "key"],
  ["POST", "/api/worker/999/complete", "key"],
  ["POST", "/api/worker/999/fail", "key"],
  ["GET", "/api/worker/999/verify-complete", "key"],
  ["GET", "/api/worker/source/999", "key"],
  ["POST", "/api/worker/upload/999/quality/480p", "key"],
  ["POST", "/api/worker/upload/999/finalize", "key"],
  ["POST", "/api/worker/upload/999", "key"],
  ["POST", "/api/worker/upload/999/segment/480p/seg_0000.m4s", "key"],
  ["GET", "/api/worker/upload/999/segments/status?quality=480p", "key"],
  ["POST", "/api/worker/upload/999/segment/finalize", "key"],
  ["GET", "/api/workers", "admin"],
  ["POST", "/api/workers/nobody/revoke", "admin"],
  ["GET", "/api/health", "none"],
  ["GET", "/metrics", "none"],
  ["POST", "/api/reencode/claim", "key"],
  ["GET", "/api/reencode/1/download", "key"],
  ["POST", "/api/reencode/1/upload", "key"],
  ["PATCH", "/api/reencode/1", "key"]
]

const json = { "content-type": "application/json" }

const refusedBy = (answer: Answer) => [answer.status, answer.json["detail"]]

describe("a request", () => {
  layer(testServer({ failure: { count: 10_000, period: "minute" } }), { timeout: 60_000, excludeTestServices: true })(
    (it) => {
      it.effect("needs the right credential on every route", () =>
        Effect.gen(function* () {
          const { address } = yield* TestServer
          yield* Effect.promise(async () => {
            assert.strictEqual(routes.length, 22)
            for (const [method, path, guard] of routes.filter((route) => route[2] !== "none")) {
              const call = (headers: Readonly<Record<string, string>>) =>
                send(address, path, {
                  method,
                  headers: { ...json, ...headers },
                  ...(method === "GET" ? {} : { body: "{}" })
                })
              if (guard === "key") {
                const none = [401, "Missing API key. Include X-Worker-API-Key header."]
                assert.deepStrictEqual(refusedBy(await call({})), none, path)
                assert.deepStrictEqual(refusedBy(await call({ "x-worker-api-key": "" })), none, path)
                assert.deepStrictEqual(refusedBy(await call({ "x-admin-secret": adminSecret })), none, path)
                for (const key of ["short", "x".repeat(43), `vlogw_${"A".repeat(12)}_${"b".repeat(43)}00000000`]) {
                  assert.deepStrictEqual(
                    refusedBy(await call({ "x-worker-api-key": key })),
                    [401, "Invalid API key"],
                    path
                  )
                }
              } else {
                assert.deepStrictEqual(refusedBy(await call({})), [401, "X-Admin-Secret header required"], path)
                for (const secret of ["wrong", `${adminSecret}x`, "\u00e9\u00e9"]) {
                  const answer = await call({ "x-admin-secret": secret })
                  assert.deepStrictEqual(refusedBy(answer), [403, "Invalid admin secret"], path)
                }
              }
            }
          })
        })
      )

      it.effect("about a job that is not there is refused as the protocol does", () =>
        Effect.gen(function* () {
          const { address } = yield* TestServer
          yield* Effect.promise(async () => {
            const { key } = await register(address, "lost")
            const worker = workerAt(address, key)
            const notFound = [404, "Job not found"]
            assert.deepStrictEqual(
              refusedBy(await worker.post("/api/worker/999/progress", { progress_percent: 1 })),
              notFound
            )
            const completion = { qualities: [], duration: 1, source_width: 1, source_height: 1 }
            assert.deepStrictEqual(refusedBy(await worker.post("/api/worker/999/complete", completion)), notFound)
            assert.deepStrictEqual(
              refusedBy(await worker.post("/api/worker/999/fail", { error_message: "x" })),
              notFound
            )
            assert.deepStrictEqual(refusedBy(await worker.get("/api/worker/999/verify-complete")), notFound)
            const foreign = [403, "Not your job or job not found"]
            assert.deepStrictEqual(refusedBy(await worker.get("/api/worker/source/999")), foreign)
            for (const path of ["999/quality/480p", "999/finalize", "999"]) {
              const answer = await worker.archive(`/api/worker/upload/${path}`, "x", Buffer.from("x"))
              assert.deepStrictEqual(refusedBy(answer), foreign, path)
            }
            const segment = await worker.segment("/api/worker/upload/999/segment/480p/seg_0000.m4s", Buffer.alloc(9))
            assert.deepStrictEqual(refusedBy(segment), [403, "Not your job"])
            const status = await worker.get("/api/worker/upload/999/segments/status?quality=480p")
            assert.deepStrictEqual(refusedBy(status), [403, "Not your job"])
            const finalized = { quality: "480p", segment_count: 1 }
            const check = await worker.post("/api/worker/upload/999/segment/finalize", finalized)
            assert.deepStrictEqual(refusedBy(check), [403, "Not your job"])
            // Its second queue is always empty.
            const reencode = await worker.bare("/api/reencode/claim")
            assert.strictEqual(reencode.text, '{"job":null,"message":"No re-encode jobs available"}')
            assert.strictEqual((await worker.get("/api/reencode/1/download")).status, 403)
            assert.strictEqual((await worker.archive("/api/reencode/1/upload", "x", Buffer.from("x"))).status, 403)
            const patch = await send(address, "/api/reencode/1", {
              method: "PATCH",
              headers: { ...json, "x-worker-api-key": key },
              body: '{"status":"pending"}'
            })
            assert.deepStrictEqual(refusedBy(patch), notFound)
            const none = await worker.bare("/api/worker/claim")
            assert.deepStrictEqual(none.json, {
              job_id: null,
              video_id: null,
              video_slug: null,
              video_duration: null,
              source_width: null,
              source_height: null,
              source_filename: null,
              claim_expires_at: null,
              existing_qualities: null,
              message: "No jobs available"
            })
            // A body that nobody asked for.
            assert.strictEqual((await worker.post("/api/worker/claim?job_id=7", { some: "thing" })).status, 200)
          })
        })
      )

      it.effect("with the wrong content is told what is wrong with it, field by field", () =>
        Effect.gen(function* () {
          const { address } = yield* TestServer
          yield* Effect.promise(async () => {
            const { key } = await register(address, "fields")
            const worker = workerAt(address, key)
            const raw = (path: string, body: string) =>
              send(address, path, { method: "POST", headers: { ...json, "x-worker-api-key": key }, body })
            const items = async (answer: Promise<Answer>) => {
              const { json, status, text } = await answer
              assert.strictEqual(status, 422, text)
              return (json["detail"] as ReadonlyArray<{ type: string; loc: unknown; msg: string }>).map(
                ({ loc, msg, type }) => [type, JSON.stringify(loc), msg]
              )
            }
            const progress = (body: unknown) => items(worker.post("/api/worker/1/progress", body))
            const heartbeat = (body: unknown) => items(worker.post("/api/worker/heartbeat", body))
            const missing = (...loc: ReadonlyArray<string | number>) => [
              "missing",
              JSON.stringify(loc),
              "Field required"
            ]

            assert.deepStrictEqual(await items(raw("/api/worker/1/progress", "")), [missing("body")])
            assert.deepStrictEqual(await progress({}), [missing("body", "progress_percent")])
            const [broken] = await items(raw("/api/worker/1/progress", "{nope"))
            assert.deepStrictEqual(broken, ["json_invalid", '["body",1]', "JSON decode error"])
            assert.deepStrictEqual(await progress({ progress_percent: 101 }), [
              ["less_than_equal", '["body","progress_percent"]', "Input should be less than or equal to 100"]
            ])
            assert.deepStrictEqual(await progress({ progress_percent: -1 }), [
              ["greater_than_equal", '["body","progress_percent"]', "Input should be greater than or equal to 0"]
            ])
            assert.deepStrictEqual(await progress({ progress_percent: 5.5 }), [
              [
                "int_from_float",
                '["body","progress_percent"]',
                "Input should be a valid integer, got a number with a fractional part"
              ]
            ])
            assert.deepStrictEqual(await progress({ progress_percent: "seven" }), [
              [
                "int_parsing",
                '["body","progress_percent"]',
                "Input should be a valid integer, unable to parse string as an integer"
              ]
            ])
            assert.deepStrictEqual(await progress({ progress_percent: null }), [
              ["int_type", '["body","progress_percent"]', "Input should be a valid integer"]
            ])
            // Larger than anything that is counted here: nobody may be told to try that again.
            const most = "Input should be less than or equal to 2147483647"
            for (const path of ["/api/worker/99999999999/verify-complete", "/api/worker/source/99999999999"]) {
              const [found] = await items(worker.get(path))
              assert.deepStrictEqual([found?.[0], found?.[2]], ["less_than_equal", most], path)
            }
            assert.deepStrictEqual(await progress({ progress_percent: 1, source_width: 2 ** 31 }), [
              ["less_than_equal", '["body","source_width"]', most]
            ])
            const steps = "^(download|probe|thumbnail|transcode|master_playlist|upload|finalize)$"
            assert.deepStrictEqual(await progress({ progress_percent: 1, current_step: "dance" }), [
              ["string_pattern_mismatch", '["body","current_step"]', `String should match pattern '${steps}'`]
            ])
            assert.deepStrictEqual(
              await progress({ progress_percent: 1, quality_progress: [{ name: "480p", status: "pending" }] }),
              [missing("body", "quality_progress", 0, "progress")]
            )
            assert.deepStrictEqual(await heartbeat({ status: "asleep" }), [
              ["string_pattern_mismatch", '["body","status"]', "String should match pattern '^(active|busy|idle)$'"]
            ])
            assert.deepStrictEqual(await heartbeat({ status: 7 }), [
              ["string_type", '["body","status"]', "Input should be a valid string"]
            ])
            assert.deepStrictEqual(await heartbeat({ code_version: "v".repeat(41) }), [
              ["string_too_long", '["body","code_version"]', "String should have at most 40 characters"]
            ])
            assert.deepStrictEqual(await heartbeat({ metadata: { capabilities: { zzz: 1 } } }), [
              ["extra_forbidden", '["body","metadata","capabilities","zzz"]', "Extra inputs are not permitted"]
            ])
            const keys = Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`k${index}`, 1]))
            assert.deepStrictEqual(await heartbeat({ metadata: keys }), [
              ["value_error", '["body","metadata"]', "Value error, Too many keys in metadata (max 20)"]
            ])
            assert.deepStrictEqual(await heartbeat({ metadata: { text: "x".repeat(10_000) } }), [
              ["value_error", '["body","metadata"]', "Value error, Metadata too large (max 10KB)"]
            ])
            assert.deepStrictEqual(await items(worker.post("/api/worker/1/fail", { error_message: "x".repeat(501) })), [
              ["string_too_long", '["body","error_message"]', "String should have at most 500 characters"]
            ])
            assert.deepStrictEqual(
              await items(worker.post("/api/worker/1/complete", { qualities: [{ name: "480p" }] })),
              ["width", "height", "bitrate"].map((field) => missing("body", "qualities", 0, field))
            )
            assert.deepStrictEqual(
              await items(worker.post("/api/worker/1/complete", { qualities: [], completion_token: "7-nonsense" })),
              [
                [
                  "value_error",
                  '["body","completion_token"]',
                  "Value error, Invalid completion_token format. Expected: job_id-uuid4"
                ]
              ]
            )
            assert.deepStrictEqual(await items(worker.get("/api/worker/one/verify-complete")), [
              [
                "int_parsing",
                '["path","job_id"]',
                "Input should be a valid integer, unable to parse string as an integer"
              ]
            ])
            assert.deepStrictEqual(await items(worker.bare("/api/worker/claim?job_id=one")), [
              [
                "int_parsing",
                '["query","job_id"]',
                "Input should be a valid integer, unable to parse string as an integer"
              ]
            ])
            assert.deepStrictEqual(await items(worker.get("/api/worker/upload/1/segments/status")), [
              missing("query", "quality")
            ])
            const unsigned = worker.archive("/api/worker/upload/1/segment/480p/seg_0000.m4s", "x", Buffer.from("x"))
            assert.deepStrictEqual(await items(unsigned), [missing("header", "X-Content-SHA256")])
            const finalize = { quality: "../..", segment_count: 0 }
            assert.deepStrictEqual(await items(worker.post("/api/worker/upload/1/segment/finalize", finalize)), [
              ["value_error", '["body","quality"]', "Value error, Invalid quality '../..'"]
            ])
            // Lenient where the protocol is: whole numbers as text and with a fraction of zero, fields it does not know.
            for (const percent of ["7", 5.0, "5.0"]) {
              const body = { progress_percent: percent, unknown: true }
              assert.strictEqual((await worker.post("/api/worker/999/progress", body)).status, 404)
            }
            const beat = await worker.post("/api/worker/heartbeat", {
              status: "busy",
              unknown: 1,
              code_version: "a\0b",
              metadata: { "any\0thing": [1, "\0\ud83d\ude00\udc00", "\\u0000"] }
            })
            assert.strictEqual(beat.status, 200, beat.text)
            const listed = await send(address, "/api/workers", { headers: { "x-admin-secret": adminSecret } })
            const [busy] = (listed.json["workers"] as ReadonlyArray<Record<string, unknown>>).filter(
              ({ worker_name }) => worker_name === "fields"
            )
            assert.deepInclude(busy, {
              status: "busy",
              // Without what PostgreSQL cannot hold.
              metadata: { anything: [1, "\u{1f600}", "\\u0000"], code_version: "ab" }
            })
          })
        })
      )

      it.effect("to register says what the worker is, within limits", () =>
        Effect.gen(function* () {
          const { address } = yield* TestServer
          yield* Effect.promise(async () => {
            const post = (body: unknown) =>
              send(address, "/api/worker/register", {
                method: "POST",
                headers: { ...json, "x-admin-secret": adminSecret },
                body: JSON.stringify(body)
              })
            const made = await post({})
            assert.match(String(made.json["worker_id"]), /^[0-9a-f]{8}-[0-9a-f]{4}-4/)
            assert.strictEqual(
              made.json["message"],
              "Worker registered successfully. Store the API key securely - it won't be shown again."
            )
            for (const body of [
              { worker_name: "n".repeat(101) },
              { worker_type: "alien" },
              { capabilities: { max_concurrent_encode_sessions: 0 } },
              { capabilities: { supported_codecs: Array.from({ length: 11 }, () => "h264") } },
              { capabilities: { encoders: { h264: ["e".repeat(51)] } } },
              { metadata: { deployment_type: "cloud" } },
              { metadata: { pod_name: "p".repeat(254) } },
              { metadata: { labels: { a: "v".repeat(501) } } },
              { metadata: { nonsense: 1 } }
            ]) {
              assert.strictEqual((await post(body)).status, 422, JSON.stringify(body).slice(0, 80))
            }
            const full = await post({
              worker_name: `gpu${"\u{1f600}".repeat(96)}\0`,
              capabilities: { hwaccel_enabled: "true", max_concurrent_encode_sessions: "999" },
              metadata: { deployment_type: "kubernetes", pod_name: "p", labels: { app: "worker" } }
            })
            assert.strictEqual(full.status, 200, full.text)
            const listed = await send(address, "/api/workers", { headers: { "x-admin-secret": adminSecret } })
            const [found] = (listed.json["workers"] as Array<Record<string, unknown>>).filter((worker) =>
              String(worker["worker_name"]).startsWith("gpu")
            )
            assert.deepInclude(found, {
              worker_type: "remote",
              status: "active",
              current_video_slug: null,
              current_job_id: null
            })
            assert.deepInclude(found!["capabilities"], { hwaccel_enabled: true, max_concurrent_encode_sessions: 100 })
            assert.isNumber(found!["id"])
            assert.strictEqual(listed.json["active_count"], listed.json["total_count"])
          })
        })
      )

      it.effect("for a path or method that is not there gets an answer that says so", () =>
        Effect.gen(function* () {
          const { address } = yield* TestServer
          yield* Effect.promise(async () => {
            assert.strictEqual((await send(address, "/api/nothing")).text, '{"detail":"Not Found"}')
            assert.strictEqual((await send(address, "/api/metrics")).status, 404)
            assert.strictEqual((await send(address, "/api/videos/a%00b")).status, 400)
            // Longer than the older worker keeps a connection for its next call.
            const kept = /timeout=(\d+)/.exec(String((await send(address, "/api/health")).headers["keep-alive"]))
            assert.isAbove(Number(kept?.[1]), 30)
            const wrong = await send(address, "/api/worker/claim")
            assert.deepStrictEqual(
              [wrong.status, wrong.text, wrong.headers["allow"]],
              [405, '{"detail":"Method Not Allowed"}', "POST"]
            )
            assert.strictEqual((await send(address, "/api/health", { method: "HEAD" })).status, 405)
            // What is not written as the contract writes it is nothing here, and no other way to what is.
            for (const path of ["/API/health", "//api/health", "/api//health", "/api/Health"]) {
              assert.strictEqual((await send(address, path)).status, 404, path)
            }
            for (const path of ["/api/jobs/%ff", `/api/videos/${"x".repeat(300)}`]) {
              assert.strictEqual((await send(address, path)).text, '{"detail":"Not Found"}', path)
            }
            const slash = await send(address, "/api/worker/claim/?job_id=7", {
              method: "POST",
              headers: { "content-length": "0" }
            })
            assert.deepStrictEqual([slash.status, slash.headers["location"]], [307, "/api/worker/claim?job_id=7"])
            const health = await send(address, "/api/health", { headers: { "x-request-id": "abc.DEF_1-2" } })
            assert.strictEqual(health.headers["x-request-id"], "abc.DEF_1-2")
            assert.strictEqual(health.headers["access-control-allow-origin"], "*")
            assert.deepInclude(health.json, { status: "healthy", checks: { database: true, storage: true } })
            for (const id of ["x".repeat(129), "a b", ""]) {
              const answer = await send(address, "/api/nothing", { headers: { "x-request-id": id } })
              assert.match(String(answer.headers["x-request-id"]), /^[0-9a-f-]{36}$/)
            }
            const preflight = await send(address, "/api/worker/claim", {
              method: "OPTIONS",
              headers: { origin: "https://elsewhere", "access-control-request-method": "POST" }
            })
            assert.strictEqual(preflight.status, 204)
            assert.strictEqual((await send(address, "/openapi.json")).status, 200)
            assert.strictEqual((await send(address, "/docs")).status, 200)
          })
        })
      )

      it.effect("with a body of another kind than JSON is told so", () =>
        Effect.gen(function* () {
          const { address } = yield* TestServer
          yield* Effect.promise(async () => {
            const { key } = await register(address, "of another kind")
            const form = await send(address, "/api/worker/heartbeat", {
              method: "POST",
              headers: { "x-worker-api-key": key, "content-type": "application/x-www-form-urlencoded" },
              body: "status=idle"
            })
            assert.deepStrictEqual(
              [form.status, form.text],
              [415, '{"detail":"Content-Type has to be application/json"}']
            )
          })
        })
      )

      it.effect("for a source that is known already gets no bytes, in whatever way it names what it knows", () =>
        Effect.gen(function* () {
          const { address } = yield* TestServer
          yield* Effect.promise(async () => {
            const worker = workerAt(address, (await register(address, "knowing")).key)
            const { job, video } = await uploadVideo(address, "known.mp4", Buffer.from("a source that is known"))
            assert.strictEqual((await worker.bare(`/api/worker/claim?job_id=${job.id}`)).json["job_id"], job.id)
            const source = (known: string) => worker.get(`/api/worker/source/${video.id}`, { "if-none-match": known })
            const etag = String((await source('"another"')).headers["etag"])
            for (const known of [etag, `W/${etag}`, `"another", W/${etag}`, "*"]) {
              assert.strictEqual((await source(known)).status, 304, known)
            }
            assert.strictEqual((await source(`"another", ${etag.slice(0, -2)}"`)).status, 200)
          })
        })
      )

      it.effect("is described with every body that it may have, and every answer that it may get", () =>
        Effect.gen(function* () {
          const { address } = yield* TestServer
          yield* Effect.promise(async () => {
            const described = await send(address, "/openapi.json")
            const paths: Readonly<Record<string, Readonly<Record<string, any>>>> = described.json["paths"]
            const operations = Object.entries(paths).flatMap(([path, methods]) =>
              Object.entries(methods).map(([method, operation]) => ({ at: `${method} ${path}`, method, operation }))
            )
            assert.isAbove(operations.length, 45)
            for (const { at, method, operation } of operations) {
              assert.isNotEmpty(operation.summary, at)
              if (method !== "options") assert.property(operation.responses, "429", at)
            }
            // What one side adds, the other ignores.
            assert.notInclude(described.text, 'additionalProperties":false')

            const operationAt = (at: string) => operations.find((one) => one.at === at)?.operation
            const bodyOf = (at: string) => Object.keys(operationAt(at)?.requestBody?.content ?? {})
            const upload = "post /api/worker/upload/{video_id}"
            assert.deepStrictEqual(bodyOf(`${upload}/quality/{quality}`), ["multipart/form-data"])
            assert.deepStrictEqual(bodyOf(`${upload}/segment/{quality}/{filename}`), ["application/octet-stream"])
            assert.deepStrictEqual(bodyOf("post /api/videos"), ["application/octet-stream"])
            assert.deepStrictEqual(bodyOf("patch /api/uploads/{upload_id}"), ["application/offset+octet-stream"])
            const answersOf = (at: string) => Object.keys(operationAt(at)?.responses ?? {})
            assert.includeMembers(answersOf("post /api/worker/heartbeat"), ["200", "401", "408", "413", "415", "422"])
            assert.includeMembers(answersOf("get /api/worker/source/{video_id}"), ["200", "206", "304", "416"])
            assert.notInclude(answersOf("patch /api/reencode/{job_id}"), "204")
          })
        })
      )

      it.effect("for metrics gets those that are true here", () =>
        Effect.gen(function* () {
          const { address } = yield* TestServer
          yield* Effect.promise(async () => {
            const { key } = await register(address, "a worker/1")
            await workerAt(address, key).post("/api/worker/heartbeat", {})
            const { headers, status, text } = await send(address, "/metrics")
            assert.strictEqual(status, 200, text)
            assert.match(String(headers["content-type"]), /^text\/plain/)
            for (const line of [
              /^vlog_http_requests_total\{.*endpoint="\/api\/worker\/heartbeat".*\} [1-9]/m,
              /^vlog_http_request_duration_seconds_bucket\{.*le="0\.01"/m,
              /^vlog_http_requests_in_progress\{api="worker"\} 1$/m,
              /^vlog_transcoding_jobs_total\{status="completed"\} 0$/m,
              /^vlog_transcoding_queue_size 0$/m,
              /^vlog_videos\{status="ready"\} 0$/m,
              /^vlog_workers\{status="active"\} [1-9]/m,
              /^vlog_worker_heartbeat_age_seconds\{worker_name="a_worker_1"\} /m
            ]) {
              assert.match(text, line)
            }
            // One label for all, whatever is asked for.
            await send(address, "/api/worker/source/123")
            assert.include((await send(address, "/metrics")).text, 'endpoint="/api/worker/source/{video_id}"')
          })
        })
      )
    }
  )

  layer(testServer(), { timeout: 60_000 })("whose body does not come", (it) => {
    it.effect("is told so before its connection ends", () =>
      Effect.gen(function* () {
        const { address, port } = yield* TestServer
        const { key } = yield* Effect.promise(() => register(address, "halting"))
        let said = ""
        let closed = false
        const socket = connect(port, "127.0.0.1", () =>
          socket.write(
            `POST /api/worker/heartbeat HTTP/1.1\r\nHost: x\r\nX-Worker-API-Key: ${key}\r\n` +
              'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"sta'
          )
        )
        socket.on("data", (chunk) => (said += chunk.toString())).on("close", () => (closed = true))
        yield* Effect.promise(() => delay(500))
        yield* TestClock.adjust("31 seconds")
        yield* Effect.promise(() => until("it is closed", () => closed, { within: 5000, details: () => said }))
        assert.match(said, /^HTTP\/1\.1 408 [^]*connection: close[^]*"The body did not arrive in time"/)
      })
    )
  })
})
