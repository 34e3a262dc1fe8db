import { assert, beforeAll, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { Db } from "../../../../src/adapters/postgres/Db.ts"
import { type Film, filmSeconds, makeFilm } from "../support/media.ts"
import { adminSecret, TestServer, testServer } from "../support/server.ts"
import { multipart, register, send, sha256, tarGzip, uploadVideo, workerAt } from "../support/wire.ts"

let film: Film
beforeAll(async () => {
  film = await makeFilm()
})

const claimed = async (address: string, name: string) => {
  const { key } = await register(address, name)
  const worker = workerAt(address, key)
  const { video } = await uploadVideo(address, `${name}.mp4`, film.source)
  const claim = await worker.bare("/api/worker/claim")
  assert.strictEqual(claim.json["video_id"], video.id)
  return { key, worker, video, job: Number(claim.json["job_id"]), upload: `/api/worker/upload/${video.id}` }
}

const admin = { "x-admin-secret": adminSecret }

/** The init segment comes after the first media segment, the playlist last. */
const inItsOrder = (quality: string) => {
  const files = [...film.cmaf[quality]!]
  const media = files.filter(([name]) => name.endsWith(".m4s"))
  const others = files.filter(([name]) => name === "init.mp4")
  const playlist = files.filter(([name]) => name.endsWith(".m3u8"))
  return [...media.slice(0, 1), ...others, ...media.slice(1), ...playlist]
}

const completion = {
  qualities: [{ name: "480p", width: 854, height: 480, bitrate: 1000 }],
  duration: filmSeconds,
  source_width: 320,
  source_height: 180,
  // D1: said again after a refusal, it does not stand for a job that is done.
  completion_token: "7-0b0e7c3a-5f50-4c8e-9d3e-0c9f6a7b1d2e"
}

describe("the older worker, uploading segment by segment", () => {
  layer(testServer(), { timeout: 60_000, excludeTestServices: true })((it) => {
    it.effect("makes its calls in its order and a video is published", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        yield* Effect.promise(async () => {
          const { job, upload, video, worker } = await claimed(address, "streaming")
          await worker.post(`/api/worker/${job}/progress`, { current_step: "transcode", progress_percent: 15 })
          for (const [name, bytes] of inItsOrder("480p")) {
            const answer = await worker.segment(`${upload}/segment/480p/${name}`, bytes)
            assert.strictEqual(
              answer.text,
              `{"status":"ok","written":true,"bytes_written":${bytes.length},"checksum_verified":true}`
            )
          }
          // A lost answer: the same file again, with the digest written the other way.
          const [name, bytes] = inItsOrder("480p")[0]!
          const again = await worker.segment(`${upload}/segment/480p/${name}`, bytes, `sha256:${sha256(bytes)}`)
          assert.deepInclude(again.json, { written: false, bytes_written: bytes.length, checksum_verified: true })

          const status = await worker.get(`${upload}/segments/status?quality=480p`)
          assert.deepStrictEqual(status.json, {
            quality: "480p",
            received_segments: [...film.cmaf["480p"]!.keys()].toSorted(),
            total_size_bytes: [...film.cmaf["480p"]!.values()].reduce((sum, file) => sum + file.length, 0)
          })
          assert.deepStrictEqual((await worker.get(`${upload}/segments/status?quality=720p`)).json, {
            quality: "720p",
            received_segments: [],
            total_size_bytes: 0
          })

          // It has removed its files before it counts them.
          const playlist = film.cmaf["480p"]!.get("stream.m3u8")!
          const finalized = await worker.post(`${upload}/segment/finalize`, {
            quality: "480p",
            segment_count: 0,
            manifest_checksum: `sha256:${sha256(playlist)}`
          })
          assert.strictEqual(finalized.text, '{"status":"ok","complete":true,"missing_segments":[]}')

          const archive = tarGzip([{ name: "thumbnail.jpg", bytes: film.thumbnail }], "ustar")
          const final = await worker.archive(`${upload}/finalize`, "finalize.tar.gz", archive)
          assert.strictEqual(final.status, 200, final.text)
          // B13: a flat rendition, too, lies where its playlist looks for it.
          for (const [file, content] of film.original) {
            const answer = await worker.segment(`${upload}/segment/original/${file}`, content)
            assert.strictEqual(answer.status, 200, answer.text)
          }
          const complete = await worker.post(`/api/worker/${job}/complete`, {
            ...completion,
            qualities: [...completion.qualities, { name: "original", width: 320, height: 180, bitrate: 200 }]
          })
          assert.strictEqual(complete.status, 200, complete.text)
          const master = await send(address, `/videos/${video.slug}/master.m3u8`)
          assert.include(master.text, "/480p/stream.m3u8")
          const flat = master.text.split("\n").find((line) => line.endsWith("/original/original.m3u8"))!
          const listed = new URL("original_0000.ts", `${address}/videos/${video.slug}/${flat}`)
          assert.strictEqual((await send(address, listed.pathname)).status, 200)
          // D12: nothing but the completion has said so.
          const shown = await send(address, `/api/videos/${video.slug}`, { headers: admin })
          assert.deepInclude(shown.json["video"] ?? shown.json, { duration: filmSeconds, width: 320, height: 180 })
          assert.isTrue((await worker.get(`/api/worker/${job}/verify-complete`)).json["all_files_present"])
        })
      })
    )

    it.effect("replaces a file that it sends again, and publishes the second", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        yield* Effect.promise(async () => {
          const { job, upload, video, worker } = await claimed(address, "mending")
          const playlist = film.cmaf["480p"]!.get("stream.m3u8")!
          const early = Buffer.from(playlist.toString().replace("#EXT-X-ENDLIST\n", ""))
          await worker.segment(`${upload}/segment/480p/stream.m3u8`, early)
          for (const [name, bytes] of inItsOrder("480p").slice(0, -1)) {
            await worker.segment(`${upload}/segment/480p/${name}`, bytes)
          }
          const unfinished = await worker.post(`/api/worker/${job}/complete`, completion)
          assert.strictEqual(unfinished.status, 422)
          assert.include(String(unfinished.json["detail"]), "the playlist of 480p has no end")
          const answer = await worker.segment(`${upload}/segment/480p/stream.m3u8`, playlist)
          assert.isTrue(answer.json["written"])
          assert.strictEqual((await worker.post(`/api/worker/${job}/complete`, completion)).status, 200)
          const master = await send(address, `/videos/${video.slug}/master.m3u8`)
          const uri = master.text.split("\n").find((line) => line.endsWith("480p/stream.m3u8"))!
          const served = await send(address, `/videos/${video.slug}/${uri}`)
          assert.isTrue(served.bytes.equals(playlist))
        })
      })
    )

    it.effect("is told what is missing, and nothing of it is published", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        yield* Effect.promise(async () => {
          const { job, upload, video, worker } = await claimed(address, "gap")
          const check = (body: object) =>
            worker.post(`${upload}/segment/finalize`, { quality: "480p", segment_count: 0, ...body })
          assert.deepStrictEqual((await check({})).json["missing_segments"], ["<quality directory not found>"])
          const files = inItsOrder("480p").filter(([name]) => name !== "seg_0001.m4s")
          for (const [name, bytes] of files.slice(0, -1)) {
            await worker.segment(`${upload}/segment/480p/${name}`, bytes)
          }
          assert.deepStrictEqual((await check({})).json["missing_segments"], ["stream.m3u8"])
          assert.deepStrictEqual((await check({ segment_count: "99" })).json["missing_segments"], [
            `Expected 99 segments, found ${files.length - 1}`
          ])
          const [name, playlist] = files.at(-1)!
          await worker.segment(`${upload}/segment/480p/${name}`, playlist)
          assert.deepStrictEqual((await check({})).json, {
            status: "incomplete",
            complete: false,
            missing_segments: ["seg_0001.m4s"]
          })
          assert.deepStrictEqual((await check({ manifest_checksum: "0".repeat(64) })).json["missing_segments"], [
            "Manifest checksum mismatch"
          ])
          const refused = await worker.post(`/api/worker/${job}/complete`, completion)
          assert.strictEqual(refused.status, 422)
          assert.include(String(refused.json["detail"]), "480p lacks seg_0001.m4s")
          // D13, D6: a rendition that was never sent, and none at all.
          for (const qualities of [[], [{ name: "2160p", width: 3840, height: 2160, bitrate: 15_000 }]]) {
            const answer = await worker.post(`/api/worker/${job}/complete`, { ...completion, qualities })
            assert.strictEqual(answer.status, 422, answer.text)
          }
          assert.strictEqual((await send(address, `/videos/${video.slug}/master.m3u8`)).status, 404)
          // The claim is still its own: it may mend, or give up.
          const failed = await worker.post(`/api/worker/${job}/fail`, {
            error_message: "\u{1f600}".repeat(500),
            retry: "yes"
          })
          assert.deepStrictEqual(failed.json, { status: "ok", will_retry: true, attempt_number: 1 })
        })
      })
    )

    // D5: three rolling updates of the workers were the end of a video.
    it.effect("gives a job back when it is told to stop, and no attempt is used up", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        const { job, video, worker } = yield* Effect.promise(() => claimed(address, "stopped"))
        yield* Effect.promise(async () => {
          const stop = () =>
            worker.post(`/api/worker/${job}/fail`, { error_message: "Shutdown requested", retry: true })
          assert.deepStrictEqual((await stop()).json, { status: "ok", will_retry: true, attempt_number: 0 })
          assert.strictEqual((await stop()).status, 409)
          const again = await worker.bare(`/api/worker/claim?job_id=${job}`)
          assert.deepInclude(again.json, { job_id: job, attempt: 1 })

          // D4, D17: not even the end of all attempts costs the source, and who wants it may try as often again.
          const ended = await worker.post(`/api/worker/${job}/fail`, { error_message: "no use", retry: false })
          assert.deepStrictEqual(ended.json, { status: "ok", will_retry: false, attempt_number: 1 })
          const retried = await send(address, `/api/jobs/${job}/retry`, { method: "POST", headers: admin, body: "" })
          assert.deepInclude(retried.json, { status: "queued", attempt: 0 })
          const once = await worker.bare(`/api/worker/claim?job_id=${job}`)
          assert.strictEqual(once.json["job_id"], job)
          assert.isTrue((await worker.get(`/api/worker/source/${video.id}`)).bytes.equals(film.source))
        })
      })
    )

    // R4: the claim was asked for when an upload began, and never again.
    it.effect("loses its claim in the middle of an archive, of which nothing is kept", () =>
      Effect.gen(function* () {
        const { address, root } = yield* TestServer
        const db = yield* Db
        const { job, key, upload } = yield* Effect.promise(() => claimed(address, "overtaken"))
        const members = [...film.cmaf["480p"]!].map(([file, bytes]) => ({ name: `480p/${file}`, bytes }))
        const { body, contentType } = multipart("quality.tar.gz", tarGzip(members))
        const half = Math.floor(body.length / 2)
        const { promise: overtaken, resolve: goOn } = Promise.withResolvers<void>()
        const answer = fetch(`${address}${upload}/quality/480p`, {
          method: "POST",
          headers: { "x-worker-api-key": key, "content-type": contentType },
          body: new ReadableStream({
            start: async (controller) => {
              controller.enqueue(body.subarray(0, half))
              await overtaken
              controller.enqueue(body.subarray(half))
              controller.close()
            }
          }),
          duplex: "half"
        } as RequestInit)
        const [held] = yield* db.query<{ readonly lease: string }>(
          (sql) => sql`select lease_id as lease from task where job_id = ${job}`
        )
        const arrived = Effect.promise(() => readdir(join(root, "attempts", held!.lease)).catch(() => []))
        while ((yield* arrived).length === 0) yield* Effect.promise(() => setTimeout(20))
        yield* db.query(
          (sql) =>
            sql`update task set state = 'queued', lease_id = null, lease_seconds = null, lease_expires_at = null, run_at = 'infinity' where job_id = ${job}`
        )
        goOn()
        assert.strictEqual((yield* Effect.promise(() => answer)).status, 409)
        const kept = yield* db.query((sql) => sql`select from delivered_file where lease_id = ${held!.lease}`)
        assert.lengthOf(kept, 0)
      })
    )

    it.effect("stops when its claim is gone, and leaves no trace in what is published", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        const db = yield* Db
        const { job, upload, video, worker } = yield* Effect.promise(() => claimed(address, "fenced"))
        yield* db.query(
          (sql) => sql`update task set lease_expires_at = now() - interval '1 second' where job_id = ${job}`
        )
        const segment = film.cmaf["480p"]!.get("seg_0000.m4s")!
        yield* Effect.promise(async () => {
          const body = { current_step: "transcode", progress_percent: 20 }
          const late = await worker.post(`/api/worker/${job}/progress`, body)
          assert.strictEqual(late.status, 409)
          assert.strictEqual(late.text, '{"detail":"Claim expired - job may have been reassigned"}')
          assert.strictEqual((await worker.get(`/api/worker/source/${video.id}`)).status, 409)
          const refused = await worker.segment(`${upload}/segment/480p/seg_0000.m4s`, segment)
          assert.strictEqual(refused.text, '{"detail":"Claim expired"}')
        })
        yield* db.query(
          (sql) =>
            sql`update task set state = 'queued', lease_id = null, lease_seconds = null, lease_expires_at = null, run_at = now() where job_id = ${job}`
        )
        yield* Effect.promise(async () => {
          const other = workerAt(address, (await register(address, "other")).key)
          assert.strictEqual((await other.bare("/api/worker/claim")).json["job_id"], job)
          for (const answer of [
            await worker.post(`/api/worker/${job}/progress`, { progress_percent: 20 }),
            await worker.post(`/api/worker/${job}/complete`, completion),
            await worker.post(`/api/worker/${job}/fail`, { error_message: "x" }),
            await worker.segment(`${upload}/segment/480p/seg_0000.m4s`, segment),
            await worker.get(`${upload}/segments/status?quality=480p`),
            await worker.archive(`${upload}/quality/480p`, "quality.tar.gz", tarGzip([]))
          ]) {
            assert.strictEqual(answer.status, 409, answer.text)
          }
          // Who never had it is told so.
          const stranger = workerAt(address, (await register(address, "stranger")).key)
          const foreign = await stranger.post(`/api/worker/${job}/progress`, { progress_percent: 1 })
          assert.strictEqual(foreign.text, '{"detail":"Not your job"}')
          assert.strictEqual(foreign.status, 403)
          const source = await stranger.get(`/api/worker/source/${video.id}`)
          assert.deepStrictEqual([source.status, source.json["detail"]], [403, "Not your job or job not found"])
          const status = await stranger.get(`${upload}/segments/status?quality=480p`)
          assert.deepStrictEqual([status.status, status.json["detail"]], [403, "Not your job"])
          assert.strictEqual((await stranger.get(`/api/worker/${job}/verify-complete`)).status, 403)
        })
      })
    )
  })
})
