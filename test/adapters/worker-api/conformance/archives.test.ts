import { assert, beforeAll, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { type Film, makeFilm } from "../support/media.ts"
import { maxPartBytes, TestServer, testServer } from "../support/server.ts"
import { type Member, multipart, register, send, tar, tarGzip, uploadVideo, workerAt } from "../support/wire.ts"

let film: Film
beforeAll(async () => {
  film = await makeFilm()
})

const segment = () => film.cmaf["480p"]!.get("seg_0000.m4s")!
const good = (): Member => ({ name: "480p/seg_0000.m4s", bytes: segment() })

interface Case {
  readonly name: string
  readonly archive: () => Buffer
  readonly detail: RegExp
}

const of =
  (...members: ReadonlyArray<() => Member>) =>
  () =>
    tarGzip(members.map((member) => member()))
const named = (name: string) => of(good, () => ({ name, bytes: segment() }))

const cases: ReadonlyArray<Case> = [
  {
    name: "a symbolic link",
    archive: of(good, () => ({ name: "480p/seg_0001.m4s", type: "2", link: "/etc/passwd" })),
    detail: /symlinks not allowed \(480p\/seg_0001\.m4s\)/
  },
  {
    name: "a hard link",
    archive: of(good, () => ({ name: "480p/seg_0001.m4s", type: "1", link: "480p/seg_0000.m4s" })),
    detail: /symlinks not allowed/
  },
  ...["3", "4", "6"].map((type) => ({
    name: `a device or pipe (${type})`,
    archive: of(good, () => ({ name: "480p/seg_0001.m4s", type })),
    detail: /unsupported file type/
  })),
  {
    name: "a GNU sparse file",
    archive: of(() => ({ name: "480p/seg_0001.m4s", type: "S", bytes: segment() })),
    detail: /unsupported file type/
  },
  { name: "an absolute path", archive: named("/etc/cron.d/x.ts"), detail: /Path traversal detected/ },
  { name: "a way up", archive: named("480p/../../x.m4s"), detail: /Path traversal detected/ },
  { name: "a way up in other words", archive: named("480p\\..\\x.m4s"), detail: /Path traversal detected/ },
  { name: "an escaped way up", archive: named("480p/%2e%2e/x.m4s"), detail: /Path traversal detected/ },
  {
    name: "a line break in a name",
    archive: named("480p/a\nb.m4s"),
    detail: /Path traversal detected \(480p\/a\\nb\.m4s\)/
  },
  {
    name: "a path that PAX says instead",
    archive: of(() => ({ ...good(), pax: { path: "../../../etc/x.m4s" } })),
    detail: /Path traversal detected/
  },
  { name: "a folder too deep", archive: named("480p/a/seg_0000.m4s"), detail: /Unexpected file in archive/ },
  { name: "another rendition", archive: named("1080p/seg_0000.m4s"), detail: /Unexpected file in archive/ },
  { name: "the master playlist", archive: named("master.m3u8"), detail: /Unexpected file in archive/ },
  { name: "a file of another kind", archive: named("480p/run.sh"), detail: /Invalid file type: 480p\/run\.sh/ },
  { name: "a suffix in capitals", archive: named("480p/seg_0000.M4S"), detail: /Invalid file type/ },
  {
    name: "a file that is not what its name says",
    archive: of(() => ({ name: "480p/seg_0000.m4s", bytes: Buffer.alloc(64, 1) })),
    detail: /Invalid file format/
  },
  {
    name: "a file too large",
    archive: of(() => ({ name: "480p/seg_0000.m4s", bytes: Buffer.alloc(maxPartBytes + 1) })),
    detail: /File too large: 480p\/seg_0000\.m4s \(8388609 bytes\)/
  },
  {
    name: "a size that PAX says instead",
    archive: of(() => ({ ...good(), pax: { size: "99999999999999" } })),
    detail: /File too large/
  },
  {
    name: "a size that goes on into the next header",
    archive: of(() => ({ ...good(), size: segment().length + 700 }), good),
    detail: /Invalid archive|Invalid file format/
  },
  {
    name: "zeros without end",
    archive: () => gzipSync(Buffer.concat([tar([good()]).subarray(0, -10_240), Buffer.alloc(200 * 1024 * 1024)])),
    detail: /unpacks to far more than video would/
  },
  { name: "a plain tar", archive: () => tar([good()]), detail: /not a whole gzip file/ },
  { name: "no archive at all", archive: () => Buffer.from("hello"), detail: /not a whole gzip file/ },
  { name: "nothing", archive: () => Buffer.alloc(0), detail: /not a whole gzip file|Invalid archive/ },
  {
    name: "gzip of something else",
    archive: () => gzipSync(Buffer.from("not a tar at all".repeat(100))),
    detail: /Invalid archive/
  },
  { name: "half a gzip", archive: () => tarGzip([good()]).subarray(0, 2000), detail: /not a whole gzip file/ },
  { name: "half a tar", archive: () => gzipSync(tar([good()]).subarray(0, 2048 + 512)), detail: /Invalid archive/ }
]

describe("an archive from outside", () => {
  layer(testServer(), { timeout: 60_000, excludeTestServices: true })((it) => {
    it.effect(
      "leaves nothing behind when it is refused",
      () =>
        Effect.gen(function* () {
          const { address, root } = yield* TestServer
          yield* Effect.promise(async () => {
            const worker = workerAt(address, (await register(address, "archives")).key)
            const { video } = await uploadVideo(address, "x.mp4", film.source)
            await worker.bare("/api/worker/claim")
            const upload = `/api/worker/upload/${video.id}`
            const outcomes: Array<unknown> = []
            for (const { archive, detail, name } of cases) {
              const answer = await worker.archive(`${upload}/quality/480p`, "quality.tar.gz", archive())
              if (answer.status !== 400 || !detail.test(String(answer.json["detail"]))) {
                outcomes.push([name, answer.status, answer.text])
              }
            }
            assert.deepStrictEqual(outcomes, [])
            const status = await worker.get(`${upload}/segments/status?quality=480p`)
            assert.deepStrictEqual(status.json["received_segments"], [])
            assert.deepStrictEqual(await readdir(join(root, "tmp")), [])

            for (const name of ["./master.m3u8", "480p/stream.m3u8", "captions.vtt"]) {
              const answer = await worker.archive(
                `${upload}/finalize`,
                "f.tar.gz",
                tarGzip([{ name, bytes: Buffer.from("#EXTM3U\n") }])
              )
              assert.match(String(answer.json["detail"]), /Unexpected file in archive/)
            }
            const many = Array.from({ length: 11 }, () => ({ name: "thumbnail.jpg", bytes: film.thumbnail }))
            const crowded = await worker.archive(`${upload}/finalize`, "f.tar.gz", tarGzip(many))
            assert.strictEqual(crowded.text, '{"detail":"Archive contains too many files (limit: 10)"}')
          })
        }),
      60_000
    )

    it.effect("comes in a form whose part is a file named `file`", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        yield* Effect.promise(async () => {
          const { key } = await register(address, "forms")
          const worker = workerAt(address, key)
          const { video } = await uploadVideo(address, "y.mp4", film.source)
          await worker.bare("/api/worker/claim")
          const path = `/api/worker/upload/${video.id}/quality/480p`
          const post = (contentType: string, body: Buffer) =>
            send(address, path, {
              method: "POST",
              headers: { "x-worker-api-key": key, "content-type": contentType },
              body
            })
          const form = multipart("quality.tar.gz", tarGzip([good()]))
          const rewritten = (from: string, to: string) =>
            post(form.contentType, Buffer.from(form.body.toString("latin1").replace(from, to), "latin1"))
          const missing = { detail: [{ type: "missing", loc: ["body", "file"], msg: "Field required" }] }
          assert.deepStrictEqual((await post("application/octet-stream", form.body)).json, missing)
          assert.deepStrictEqual((await rewritten('name="file"', 'name="other"')).json, missing)
          const text = await post(
            form.contentType,
            Buffer.from(
              form.body.toString("latin1").replace('; filename="quality.tar.gz"\r\nContent-Type: application/gzip', ""),
              "latin1"
            ).subarray(0)
          )
          assert.strictEqual(text.status, 422)
          assert.strictEqual(text.json["detail"][0].msg, "Value error, Expected UploadFile, received: <class 'str'>")
          const broken = await post(form.contentType, form.body.subarray(0, -60))
          assert.strictEqual(broken.status, 400, broken.text)
          // The same, whole, at last; ustar as well as PAX.
          assert.strictEqual((await post(form.contentType, form.body)).status, 200)
          const plain = await worker.archive(path, "quality.tar.gz", tarGzip([good()], "ustar"))
          assert.strictEqual(plain.status, 200, plain.text)
          const whole = await worker.archive(`/api/worker/upload/${video.id}`, "hls.tar.gz", tarGzip([good()]))
          assert.strictEqual(whole.text, '{"status":"ok","message":"HLS files uploaded successfully"}')
        })
      })
    )
  })
})
