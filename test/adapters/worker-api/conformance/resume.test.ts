/** How a worker of ours goes on, over HTTP, with what an earlier attempt uploaded; and that no other worker notices. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { adminSecret, TestServer, testServer } from "../support/server.ts"
import { register, send, workerAt } from "../support/wire.ts"

/** The smallest file of a rendition that is looked into: the start of a JPEG picture. */
const picture = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0])
const sha256 = createHash("sha256").update(picture).digest("hex")
const file = { rendition: "poster", name: "poster.jpg", bytes: picture.length, sha256 }
const fingerprint = "a".repeat(64)

layer(testServer(), { excludeTestServices: true, timeout: "60 seconds" })("an attempt after another", (it) => {
  it.effect("is told what that left, and takes it over without sending it", () =>
    Effect.gen(function* () {
      const { address, root } = yield* TestServer
      yield* Effect.promise(async () => {
        await send(address, "/api/videos?filename=film.mp4", {
          method: "POST",
          headers: { "x-admin-secret": adminSecret, "content-type": "application/octet-stream" },
          body: Buffer.from("a film")
        })
        const { key } = await register(address, "one")
        const worker = workerAt(address, key)
        const beat = await worker.post("/api/worker/heartbeat", { status: "idle" })
        assert.include(beat.json["server"].features, "resume")

        const claim = async () => {
          const { json } = await worker.bare("/api/worker/claim")
          const { job_id: job, lease_id: lease, video_id: video } = json
          const headers = { "x-worker-api-key": key, "x-lease-id": String(lease) }
          const post = (what: string, body: object = {}) =>
            send(address, `/api/worker/${job}/${what}`, {
              method: "POST",
              headers: { ...headers, "content-type": "application/json" },
              body: JSON.stringify(body)
            })
          return { lease: String(lease), video, headers, post }
        }

        const first = await claim()
        assert.deepStrictEqual((await first.post("begin", { fingerprint })).json, { resume: null })
        const upload = (headers: Readonly<Record<string, string>>) =>
          send(address, `/api/worker/upload/${first.video}/segment/poster/poster.jpg`, {
            method: "POST",
            headers: { ...first.headers, "x-content-sha256": sha256, ...headers },
            body: picture
          })
        for (const wrong of [
          "",
          "4",
          `4;sha256=${sha256.toUpperCase()}`,
          `0;sha256=${sha256}`,
          `-4;sha256=${sha256}`
        ]) {
          const refused = await upload({ "x-source-prefix": wrong })
          assert.strictEqual(refused.status, 422, wrong)
          assert.deepInclude(refused.json["detail"][0], { loc: ["header", "X-Source-Prefix"] })
        }
        const sent = await upload({ "x-source-prefix": `4;sha256=${sha256}` })
        assert.strictEqual(sent.status, 200, sent.text)
        for (const same of [{ "x-source-prefix": `5;sha256=${sha256}` }, {}]) {
          assert.deepInclude((await upload(same)).json, { status: "ok", written: false })
        }
        assert.strictEqual((await first.post("begin", { fingerprint: "short" })).status, 422)
        assert.strictEqual((await first.post("release")).status, 200)
        assert.strictEqual((await first.post("begin", { fingerprint })).status, 409)

        const second = await claim()
        assert.deepStrictEqual((await second.post("begin", { fingerprint: "b".repeat(64) })).json, { resume: null })
        const { resume } = (await second.post("begin", { fingerprint })).json
        assert.strictEqual(resume.lease_id, first.lease)
        assert.deepStrictEqual(resume.files, [{ ...file, prefix: { bytes: 4, sha256 }, facts: { _tag: "Attachment" } }])
        const adoption = { lease_id: first.lease, files: [file] }
        assert.strictEqual((await first.post("adopt", adoption)).status, 409)
        assert.strictEqual((await second.post("adopt", adoption)).status, 200)
        const again = await send(address, `/api/worker/upload/${second.video}/segment/poster/poster.jpg`, {
          method: "POST",
          headers: { ...second.headers, "x-content-sha256": sha256 },
          body: picture
        })
        assert.strictEqual(again.json["written"], false, "it is there")
        await second.post("release")

        await rm(join(root, "attempts", first.lease), { recursive: true })
        const third = await claim()
        assert.strictEqual((await third.post("begin", { fingerprint })).json["resume"].lease_id, second.lease)
        await rm(join(root, "attempts", second.lease), { recursive: true })
        const nothing = await third.post("begin", { fingerprint })
        assert.deepStrictEqual(nothing.json, { resume: null }, "what was cleaned up is not offered")
      })
    })
  )
})
