/** What an upload asks of its job, over HTTP, and whom it reaches. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { adminSecret, TestServer, testServer } from "../support/server.ts"
import { register, send, workerAt } from "../support/wire.ts"

const upload = (address: string, query: string) =>
  send(address, `/api/videos?filename=film.mp4${query}`, {
    method: "POST",
    headers: { "x-admin-secret": adminSecret, "content-type": "application/octet-stream" },
    body: Buffer.from("a film")
  })

layer(testServer(), { excludeTestServices: true, timeout: "60 seconds" })("an upload's wishes", (it) => {
  it.effect("reach the worker that can fulfil them, at their time", () =>
    Effect.gen(function* () {
      const { address } = yield* TestServer
      yield* Effect.promise(async () => {
        const plain = workerAt(address, (await register(address, "plain")).key)
        const able = workerAt(address, (await register(address, "able")).key)
        const capabilities = { supported_codecs: ["h264", "av1"] }
        await able.post("/api/worker/heartbeat", { status: "idle", metadata: { capabilities } })
        const required = await upload(address, "&require_codec=av1&priority=5")
        const preferred = await upload(address, "&prefer_codec=hevc")
        const later = await upload(address, "&run_at=2099-12-24T18:00:00%2B01:00&priority=9")
        assert.deepStrictEqual([required.status, preferred.status, later.status], [201, 201, 201])
        const taken = await plain.bare("/api/worker/claim")
        assert.strictEqual(taken.json["job_id"], preferred.json["job"].id)
        assert.deepStrictEqual(taken.json["task"].codec, { name: "hevc", required: false })
        const nothing = await plain.bare("/api/worker/claim")
        assert.isNull(nothing.json["job_id"])
        const given = await able.bare("/api/worker/claim")
        assert.strictEqual(given.json["job_id"], required.json["job"].id)
        assert.deepStrictEqual(given.json["task"].codec, { name: "av1", required: true })
        assert.isNull((await able.bare("/api/worker/claim")).json["job_id"])
      })
    })
  )

  it.effect("are refused where they say nothing that can be done", () =>
    Effect.gen(function* () {
      const { address } = yield* TestServer
      yield* Effect.promise(async () => {
        for (const query of [
          "&require_codec=vp9",
          "&run_at=tomorrow",
          "&run_at=2026-13-01T00:00:00Z",
          "&run_at=2026-02-30T00:00:00Z",
          "&priority=101"
        ]) {
          const answer = await upload(address, query)
          assert.strictEqual(answer.status, 422, query)
          assert.strictEqual(answer.json["detail"][0].loc[0], "query", answer.text)
        }
      })
    })
  )

  it.effect("for a blank title are none: it has that of its file", () =>
    Effect.gen(function* () {
      const { address } = yield* TestServer
      const answer = yield* Effect.promise(() => upload(address, "&title=%20%09"))
      assert.strictEqual(answer.json["video"].title, "film")
    })
  )
})
