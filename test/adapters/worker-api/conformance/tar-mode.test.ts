import { assert, beforeAll, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { type Film, filmSeconds, itsManifest, itsMaster, makeFilm } from "../support/media.ts"
import { TestServer, testServer } from "../support/server.ts"
import { register, send, tarGzip, uploadVideo, workerAt } from "../support/wire.ts"

let film: Film
beforeAll(async () => {
  film = await makeFilm()
})

const qualities = [
  { name: "original", width: 320, height: 180, bitrate: 200 },
  { name: "480p", width: 854, height: 480, bitrate: 1000 },
  { name: "360p", width: 640, height: 360, bitrate: 600 }
]

const cmafArchive = (name: "360p" | "480p") =>
  tarGzip([...film.cmaf[name]!].map(([file, bytes]) => ({ name: `${name}/${file}`, bytes })))

const originalArchive = () => tarGzip([...film.original].map(([name, bytes]) => ({ name, bytes })))

const finalArchive = () =>
  tarGzip([
    { name: "master.m3u8", bytes: Buffer.from(itsMaster) },
    { name: "manifest.mpd", bytes: Buffer.from(itsManifest) },
    { name: "thumbnail.jpg", bytes: film.thumbnail }
  ])

const token = (job: number) => `${job}-0b0e7c3a-5f50-4c8e-9d3e-0c9f6a7b1d2e`

describe("the older worker, uploading archives", () => {
  layer(testServer(), { timeout: 60_000, excludeTestServices: true })((it) => {
    it.effect(
      "makes its calls in its order and a video is published",
      () =>
        Effect.gen(function* () {
          const { address } = yield* TestServer
          yield* Effect.promise(async () => {
            const { key } = await register(address, "pod-1")
            const worker = workerAt(address, key)
            const { job, video } = await uploadVideo(address, "a%20film.mp4", film.source)

            // 6.1: with the sessions of a data centre card, then without metadata.
            const first = await worker.post("/api/worker/heartbeat", {
              status: "idle",
              metadata: {
                capabilities: {
                  hwaccel_enabled: true,
                  hwaccel_type: "nvidia",
                  gpu_name: "NVIDIA A100",
                  supported_codecs: ["h264", "hevc", "av1"],
                  encoders: { h264: ["h264_nvenc", "libx264"] },
                  max_concurrent_encode_sessions: 999,
                  code_version: "deadbeef",
                  ffmpeg_version: "ffmpeg version 5.1.9",
                  driver_version: "535",
                  cuda_version: "12.2",
                  vaapi_device: null
                },
                deployment_type: "docker"
              },
              code_version: "abc1234"
            })
            assert.strictEqual(first.status, 200, first.text)
            assert.deepInclude(first.json, {
              status: "ok",
              version_ok: true,
              worker_status: "idle",
              current_job_id: null
            })
            await worker.post("/api/worker/heartbeat", { status: "idle", code_version: "abc1234" })
            const listed = await send(address, "/api/workers", {
              headers: { "x-admin-secret": "correct-horse-battery-staple" }
            })
            assert.strictEqual(listed.json["workers"][0].metadata.capabilities.max_concurrent_encode_sessions, 100)

            // 6.2
            const claim = await worker.bare("/api/worker/claim")
            assert.strictEqual(claim.status, 200, claim.text)
            assert.deepInclude(claim.json, {
              job_id: job.id,
              video_id: video.id,
              video_slug: video.slug,
              source_filename: `${video.id}.mp4`,
              existing_qualities: null,
              message: "Job claimed successfully"
            })

            // 6.3
            const progress = async (step: string, percent: number, more: object = {}) => {
              const answer = await worker.post(`/api/worker/${job.id}/progress`, {
                current_step: step,
                progress_percent: percent,
                ...more
              })
              assert.strictEqual(answer.status, 200, answer.text)
              assert.strictEqual(answer.json["status"], "ok")
            }
            await progress("download", 0)
            const source = await worker.get(`/api/worker/source/${video.id}`)
            assert.strictEqual(source.status, 200)
            assert.isTrue(source.bytes.equals(film.source))
            assert.include(String(source.headers["content-disposition"]), `filename="${video.id}.mp4"`)
            await progress("download", 5)
            await progress("probe", 5)
            await progress("probe", 8, { duration: filmSeconds, source_width: 320, source_height: 180 })
            await progress("thumbnail", 10)
            await progress("transcode", 15)
            await progress("transcode", 15, {
              quality_progress: [
                { name: "original", status: "in_progress", progress: 0, segments_total: null, segments_completed: 3 },
                { name: "480p", status: "pending", progress: 0 },
                { name: "360p", status: "pending", progress: 0 }
              ]
            })
            const running = await send(address, `/api/jobs/${job.id}`, {
              headers: { "x-admin-secret": "correct-horse-battery-staple" }
            })
            assert.deepStrictEqual(running.json["progress"].renditions[0].segments, { completed: 3, total: null })
            const original = await worker.archive(
              `/api/worker/upload/${video.id}/quality/original`,
              "quality.tar.gz",
              originalArchive()
            )
            assert.strictEqual(original.text, '{"status":"ok","message":"Quality original uploaded successfully"}')
            for (const name of ["480p", "360p"] as const) {
              await progress("transcode", 52)
              const answer = await worker.archive(
                `/api/worker/upload/${video.id}/quality/${name}`,
                "quality.tar.gz",
                cmafArchive(name)
              )
              assert.strictEqual(answer.status, 200, answer.text)
              // Lower than before: renditions in parallel report so.
              await progress("upload", 90)
            }
            await progress("master_playlist", 95)
            await progress("upload", 98)
            const final = await worker.archive(
              `/api/worker/upload/${video.id}/finalize`,
              "finalize.tar.gz",
              finalArchive()
            )
            assert.strictEqual(final.text, '{"status":"ok","message":"Finalize files uploaded successfully"}')

            const completion = {
              qualities,
              duration: filmSeconds,
              source_width: 320,
              source_height: 180,
              streaming_format: "cmaf",
              streaming_codec: "av1",
              completion_token: token(job.id)
            }
            const complete = await worker.post(`/api/worker/${job.id}/complete`, completion)
            assert.strictEqual(complete.text, '{"status":"ok","message":"Job completed successfully"}')
            const verified = await worker.get(`/api/worker/${job.id}/verify-complete`)
            assert.deepStrictEqual(verified.json, {
              job_id: job.id,
              video_id: video.id,
              video_slug: video.slug,
              video_status: "ready",
              job_completed: true,
              all_files_present: true,
              qualities_present: ["480p", "360p", "original"].toSorted(
                (a, b) =>
                  (verified.json["qualities_present"] as Array<string>).indexOf(a) -
                  (verified.json["qualities_present"] as Array<string>).indexOf(b)
              ),
              missing_files: []
            })

            // The answer was lost: the same again, with the same token and with a new one.
            for (const replay of [completion, { ...completion, completion_token: null }]) {
              const again = await worker.post(`/api/worker/${job.id}/complete`, replay)
              assert.strictEqual(again.text, '{"status":"ok","message":"Job already completed"}')
            }
            // D2, D3: nothing that comes late undoes it.
            for (const [path, body] of [
              ["progress", { current_step: "upload", progress_percent: 10 }],
              ["fail", { error_message: "lost my answer", retry: true }]
            ] as const) {
              assert.strictEqual((await worker.post(`/api/worker/${job.id}/${path}`, body)).status, 409)
            }
            const shown = await send(address, `/api/jobs/${job.id}`, {
              headers: { "x-admin-secret": "correct-horse-battery-staple" }
            })
            assert.strictEqual(shown.json["status"], "done")

            await played(address, video.slug)
          })
        }),
      60_000
    )
  })
})

/** Follows the master playlist as a player does, and compares every byte with what was uploaded. */
const played = async (address: string, slug: string) => {
  const base = `${address}/videos/${slug}/`
  const master = await (await fetch(`${base}master.m3u8`)).text()
  assert.notInclude(master, "av01")
  assert.match(master, /CODECS="avc1\.[0-9a-fA-F]{6},mp4a\.40\.2",RESOLUTION=426x240/)
  const uris = master.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
  assert.strictEqual(uris.length, 3)
  for (const uri of uris) {
    const at = new URL(uri, base)
    const answer = await fetch(at)
    assert.strictEqual(answer.status, 200, at.href)
    const playlist = await answer.text()
    const name = uri.split("/").at(-2)!
    const files = film.cmaf[name] ?? film.original
    const listed = [...playlist.matchAll(/URI="([^"]+)"/g)].map((match) => match[1]!)
    listed.push(...playlist.split("\n").filter((line) => line !== "" && !line.startsWith("#")))
    assert.strictEqual(listed.length, files.size - 1)
    for (const file of listed) {
      const bytes = Buffer.from(await (await fetch(new URL(file, at))).arrayBuffer())
      assert.isTrue(bytes.equals(files.get(file)!), file)
    }
  }
  const manifest = await (await fetch(`${base}manifest.mpd`)).text()
  assert.include(manifest, 'media="$RepresentationID$/seg_$Number%04d$.m4s"')
  assert.notInclude(manifest, "original")
  // D10: each segment at the time that it has.
  assert.match(manifest, /<SegmentTimeline>\s*<S t="\d+" d="\d+"/)
  const thumbnail = await fetch(`${base}thumbnail.jpg`)
  assert.strictEqual(thumbnail.headers.get("content-type"), "image/jpeg")
  assert.isTrue(Buffer.from(await thumbnail.arrayBuffer()).equals(film.thumbnail))
  const page = await fetch(`${address}/watch/${slug}`)
  assert.strictEqual(page.status, 200)
}
