/** Resumable uploads on real sockets: by tus' own client, and by requests that are cut, doubled and wrong. */
import { createHash, randomBytes } from "node:crypto"
import { readdir, readFile, stat } from "node:fs/promises"
import { type ClientRequest, request } from "node:http"
import { join } from "node:path"
import { Readable } from "node:stream"
import { assert, layer } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as tus from "tus-js-client"
import { Db } from "../../../../src/adapters/postgres/Db.ts"
import { adminSecret, replica, testServer, TestServer } from "../support/server.ts"
import { type Call, send } from "../support/wire.ts"

const admin = { "x-admin-secret": adminSecret }
const protocol = { ...admin, "tus-resumable": "1.0.0" }
const piece = { ...protocol, "content-type": "application/offset+octet-stream" }

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex")
const base64 = (text: string) => Buffer.from(text).toString("base64")
const execute = (text: string) => Effect.flatMap(Db, (db) => db.query<any>((sql) => sql.unsafe(text)))

const ask = (address: string, path: string, call: Call = {}) => Effect.promise(() => send(address, path, call))

const createWith = (
  address: string,
  length: Readonly<Record<string, string>>,
  metadata = `filename ${base64("film.mp4")}`
) =>
  ask(address, "/api/uploads", {
    method: "POST",
    headers: { ...protocol, ...length, "upload-metadata": metadata, "content-length": "0" }
  })

const create = (address: string, bytes: number, metadata?: string) =>
  createWith(address, { "upload-length": String(bytes) }, metadata)

const beginWith = Effect.fnUntraced(function* (address: string, length: Readonly<Record<string, string>>) {
  const { headers, status } = yield* createWith(address, length)
  assert.strictEqual(status, 201)
  assert.match(String(headers["location"]), /^\/api\/uploads\/[0-9a-f-]{36}$/)
  return String(headers["location"])
})

const begin = (address: string, bytes: number) => beginWith(address, { "upload-length": String(bytes) })

const patch = (address: string, path: string, offset: number, body: Buffer) =>
  ask(address, path, { method: "PATCH", headers: { ...piece, "upload-offset": String(offset) }, body })

const offsetOf = Effect.fnUntraced(function* (address: string, path: string) {
  const { headers, status } = yield* ask(address, path, { method: "HEAD", headers: protocol })
  assert.strictEqual(status, 200)
  assert.strictEqual(headers["tus-resumable"], "1.0.0")
  return Number(headers["upload-offset"])
})

const checksum = (algorithm: string, bytes: Buffer) => ({
  "upload-checksum": `${algorithm} ${createHash(algorithm).update(bytes).digest("base64")}`
})

/** Announces more than it sends, and then waits. */
const half = (address: string, path: string, offset: number, announced: number, body: Buffer, more = {}) =>
  Effect.acquireRelease(
    Effect.callback<ClientRequest>((resume) => {
      const { hostname, port } = new URL(address)
      const headers = { ...piece, ...more, "upload-offset": String(offset), "content-length": String(announced) }
      const outgoing = request({ hostname, port, path, method: "PATCH", headers })
      outgoing.on("error", () => {})
      outgoing.write(body, () => resume(Effect.succeed(outgoing)))
    }),
    (outgoing) => Effect.sync(() => outgoing.destroy())
  )

/** Until as many requests are adding to an upload. */
const writers = (count: number) =>
  execute("select count(*)::int as n from upload where writer is not null").pipe(
    Effect.repeat({ until: ([row]) => row?.n === count, schedule: Schedule.spaced("20 millis") })
  )

/** Until that much of an unfinished upload is on the disk. */
const arrived = (root: string, bytes: number) =>
  Effect.promise(async () => {
    const folder = join(root, "arriving")
    const sizes = (await readdir(folder)).map((name) => stat(join(folder, name)).then(({ size }) => size))
    return (await Promise.all(sizes)).includes(bytes)
  }).pipe(Effect.repeat({ until: (there) => there, schedule: Schedule.spaced("20 millis") }))

const stored = Effect.fnUntraced(function* (root: string, id: number) {
  return yield* Effect.promise(() => readFile(join(root, "uploads", `${id}.mp4`)))
})

const videoOf = Effect.fnUntraced(function* (address: string, path: string) {
  const { json } = yield* ask(address, path, { headers: admin })
  return json["video"] as { readonly video: Readonly<Record<string, any>>; readonly job: Readonly<Record<string, any>> }
})

layer(testServer({ failure: { count: 1000, period: "minute" } }), { excludeTestServices: true })(
  "a resumable upload",
  (it) => {
    it.effect("of tus' own client goes on after it was ended in the middle", () =>
      Effect.gen(function* () {
        const { address, root } = yield* TestServer
        const bytes = randomBytes(1_000_000)
        const metadata = { filename: "film.mp4", title: "Ein Film über Ä", priority: "7", require_codec: "h264" }
        const run = (more: Partial<tus.UploadOptions>) =>
          Effect.callback<tus.Upload, Error>((resume) => {
            const upload: tus.Upload = new tus.Upload(bytes, {
              endpoint: `${address}/api/uploads`,
              headers: admin,
              metadata,
              chunkSize: 300_000,
              storeFingerprintForResuming: false,
              onError: (error) => resume(Effect.fail(error)),
              onSuccess: () => resume(Effect.succeed(upload)),
              onChunkComplete: (_, there) => {
                if (more.uploadUrl === undefined && there >= 600_000) {
                  void upload.abort().then(() => resume(Effect.succeed(upload)))
                }
              },
              ...more
            })
            upload.start()
          })
        const cut = yield* run({})
        const path = new URL(cut.url!).pathname
        assert.strictEqual(yield* offsetOf(address, path), 600_000)
        yield* run({ uploadUrl: cut.url })

        const { job, video } = yield* videoOf(address, path)
        assert.deepInclude(video, {
          title: "Ein Film über Ä",
          source_filename: "film.mp4",
          source_bytes: bytes.length,
          source_sha256: sha256(bytes)
        })
        assert.deepInclude(job, { status: "queued", priority: 7 })
        assert.isTrue((yield* stored(root, video["id"])).equals(bytes))
        assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(root, "arriving"))), [])
        const [wish] = yield* execute("select codec, codec_required from job order by id desc limit 1")
        assert.deepInclude(wish, { codec: "h264", codec_required: true })
      })
    )

    it.effect("says what it can do, and takes no other version", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        const told = yield* ask(address, "/api/uploads", { method: "OPTIONS" })
        assert.strictEqual(told.status, 204)
        assert.deepInclude(told.headers, {
          "tus-version": "1.0.0",
          "tus-extension": "creation,creation-defer-length,termination,expiration,checksum",
          "tus-checksum-algorithm": "sha1,sha256",
          "tus-max-size": String(64 * 1024 * 1024)
        })
        const other = yield* ask(address, "/api/uploads", {
          method: "POST",
          headers: { ...admin, "tus-resumable": "0.2.2", "upload-length": "5", "content-length": "0" }
        })
        assert.strictEqual(other.status, 412)
        assert.strictEqual(other.headers["tus-version"], "1.0.0")
      })
    )

    it.effect("is refused before its body when who sends it is not known", () =>
      Effect.gen(function* () {
        const { address, port } = yield* TestServer
        const path = yield* begin(address, 50_000_000)
        // No byte of the body is ever sent.
        const status = yield* Effect.callback<number>((resume) => {
          const headers = { ...piece, "x-admin-secret": "", "upload-offset": "0", "content-length": "50000000" }
          const outgoing = request({ hostname: "127.0.0.1", port, path, method: "PATCH", headers })
          outgoing.on("error", () => {})
          outgoing.on("response", (answer) => {
            outgoing.destroy()
            resume(Effect.succeed(answer.statusCode ?? 0))
          })
          outgoing.flushHeaders()
        })
        assert.strictEqual(status, 401)
        assert.strictEqual(
          (yield* ask(address, path, { method: "HEAD", headers: { "tus-resumable": "1.0.0" } })).status,
          401
        )
      })
    )

    it.effect("is refused where it is empty, too large, nameless, or not to be understood", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        const refused = Effect.fnUntraced(function* (status: number, bytes: number, metadata?: string) {
          const answer = yield* create(address, bytes, metadata)
          assert.strictEqual(answer.status, status, answer.text)
          assert.isString(answer.json["detail"])
        })
        yield* refused(400, 0)
        yield* refused(413, 64 * 1024 * 1024 + 1)
        yield* refused(400, 5, "")
        yield* refused(400, 5, "filename")
        yield* refused(400, 5, "filename zw==,filename zw==")
        yield* refused(400, 5, `filename ${base64("a.mp4")},priority ${base64("1000")}`)
        for (const length of [
          {},
          { "upload-defer-length": "2" },
          { "upload-defer-length": "1", "upload-length": "5" }
        ]) {
          assert.strictEqual((yield* createWith(address, length)).status, 400)
        }

        assert.strictEqual(
          (yield* createWith(address, { "upload-length": "5", "upload-concat": "partial" })).status,
          400
        )

        const path = yield* begin(address, 10)
        assert.strictEqual((yield* patch(address, path, 0, Buffer.alloc(11))).status, 413)
        const wrongType = { ...piece, "content-type": "video/mp4", "upload-offset": "0" }
        assert.strictEqual((yield* ask(address, path, { method: "PATCH", headers: wrongType, body: "x" })).status, 415)
        assert.strictEqual((yield* ask(address, path, { method: "PATCH", headers: piece, body: "x" })).status, 400)
        assert.strictEqual(yield* offsetOf(address, path), 0)
      })
    )

    it.effect("keeps what arrived when its connection is cut, and takes nothing at another offset", () =>
      Effect.gen(function* () {
        const { address, root } = yield* TestServer
        const bytes = randomBytes(400_000)
        const path = yield* begin(address, bytes.length)
        yield* Effect.scoped(
          Effect.andThen(half(address, path, 0, bytes.length, bytes.subarray(0, 250_000)), arrived(root, 250_000))
        )
        yield* writers(0)
        const offset = 250_000
        assert.strictEqual(yield* offsetOf(address, path), offset)

        const wrong = yield* patch(address, path, offset + 1, bytes.subarray(offset + 1))
        assert.strictEqual(wrong.status, 409)
        assert.strictEqual(yield* offsetOf(address, path), offset)

        const done = yield* patch(address, path, offset, bytes.subarray(offset))
        assert.strictEqual(done.status, 204)
        assert.strictEqual(done.headers["upload-offset"], String(bytes.length))
        const { video } = yield* videoOf(address, path)
        assert.isTrue((yield* stored(root, video["id"])).equals(bytes))
        assert.strictEqual(video["source_sha256"], sha256(bytes))

        // Whoever lost the answer asks again: nothing happens twice.
        assert.strictEqual((yield* patch(address, path, bytes.length, Buffer.alloc(0))).status, 204)
        assert.strictEqual((yield* patch(address, path, offset, bytes.subarray(offset))).status, 409)
        const [count] = yield* execute(`select count(*)::int as n from video where source_sha256 = '${sha256(bytes)}'`)
        assert.strictEqual(count.n, 1)
      })
    )

    it.effect("keeps a piece with a checksum as a whole or not at all", () =>
      Effect.gen(function* () {
        const { address, root } = yield* TestServer
        const bytes = randomBytes(90_000)
        const [first, second, third] = [
          bytes.subarray(0, 30_000),
          bytes.subarray(30_000, 60_000),
          bytes.subarray(60_000)
        ]
        const path = yield* begin(address, bytes.length)
        const add = (offset: number, body: Buffer, more: Readonly<Record<string, string>>) =>
          ask(address, path, {
            method: "PATCH",
            headers: { ...piece, "upload-offset": String(offset), ...more },
            body
          })
        const refused = Effect.fnUntraced(function* (
          status: number,
          offset: number,
          body: Buffer,
          more: Readonly<Record<string, string>>
        ) {
          const answer = yield* add(offset, body, more)
          assert.strictEqual(answer.status, status, answer.text)
          assert.strictEqual(yield* offsetOf(address, path), offset)
        })
        yield* refused(460, 0, first, checksum("sha256", second))
        yield* refused(400, 0, first, checksum("md5", first))
        yield* refused(400, 0, first, { "upload-checksum": "sha1" })
        assert.strictEqual((yield* add(0, first, checksum("sha1", first))).status, 204)

        yield* refused(460, 30_000, Buffer.concat([third, second]), checksum("sha1", second))
        yield* Effect.scoped(
          Effect.andThen(
            half(address, path, 30_000, 30_000, second.subarray(0, 20_000), checksum("sha1", second)),
            writers(1)
          )
        )
        yield* writers(0)
        assert.strictEqual(yield* offsetOf(address, path), 30_000)
        assert.strictEqual((yield* add(30_000, second, checksum("sha256", second))).status, 204)
        assert.strictEqual((yield* patch(address, path, 60_000, third)).status, 204)
        const { video } = yield* videoOf(address, path)
        assert.strictEqual(video["source_sha256"], sha256(bytes))
        assert.isTrue((yield* stored(root, video["id"])).equals(bytes))
      })
    )

    it.effect("says with a later piece how long it is", () =>
      Effect.gen(function* () {
        const { address, root } = yield* TestServer
        const bytes = randomBytes(90_000)
        const path = yield* beginWith(address, { "upload-defer-length": "1" })
        const add = (offset: number, body: Buffer, length: number) =>
          ask(address, path, {
            method: "PATCH",
            headers: { ...piece, "upload-offset": String(offset), "upload-length": String(length) },
            body
          })
        const told = Effect.fnUntraced(function* (
          offset: number,
          length: Readonly<Record<string, string | undefined>>
        ) {
          const { headers } = yield* ask(address, path, { method: "HEAD", headers: protocol })
          assert.strictEqual(headers["upload-offset"], String(offset))
          assert.strictEqual(headers["upload-length"], length["upload-length"])
          assert.strictEqual(headers["upload-defer-length"], length["upload-defer-length"])
        })
        yield* told(0, { "upload-defer-length": "1" })
        assert.strictEqual((yield* patch(address, path, 0, bytes.subarray(0, 30_000))).status, 204)
        yield* told(30_000, { "upload-defer-length": "1" })
        const { json } = yield* ask(address, path, { headers: admin })
        assert.deepInclude(json, { bytes: null, received: 30_000, video: null })

        const largest = 64 * 1024 * 1024
        const rest = bytes.subarray(30_000)
        assert.strictEqual((yield* add(30_000, rest, 20_000)).status, 413)
        assert.strictEqual((yield* add(30_000, rest, largest + 1)).status, 413)
        assert.strictEqual((yield* add(0, rest, 90_000)).status, 409)
        yield* told(30_000, { "upload-defer-length": "1" })

        assert.strictEqual((yield* add(30_000, bytes.subarray(30_000, 60_000), 90_000)).status, 204)
        yield* told(60_000, { "upload-length": "90000" })
        assert.strictEqual((yield* add(60_000, Buffer.alloc(1), 90_001)).status, 400)
        assert.strictEqual((yield* add(60_000, bytes.subarray(60_000), 90_000)).status, 204)
        const { video } = yield* videoOf(address, path)
        assert.strictEqual(video["source_sha256"], sha256(bytes))
        assert.isTrue((yield* stored(root, video["id"])).equals(bytes))
      })
    )

    it.effect("is no larger than is taken while its length is not known, and ends with a piece without bytes", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        const path = yield* beginWith(address, { "upload-defer-length": "1" })
        const bytes = randomBytes(10)
        assert.strictEqual((yield* patch(address, path, 0, bytes)).status, 204)
        const tooLarge = yield* Effect.callback<number>((resume) => {
          const { hostname, port } = new URL(address)
          const headers = { ...piece, "upload-offset": "10", "content-length": String(64 * 1024 * 1024 - 9) }
          const outgoing = request({ hostname, port, path, method: "PATCH", headers })
          outgoing.on("error", () => {})
          outgoing.on("response", (answer) => {
            outgoing.destroy()
            resume(Effect.succeed(answer.statusCode ?? 0))
          })
          outgoing.flushHeaders()
        })
        assert.strictEqual(tooLarge, 413)
        const last = yield* ask(address, path, {
          method: "PATCH",
          headers: { ...piece, "upload-offset": "10", "upload-length": "10", "content-length": "0" }
        })
        assert.strictEqual(last.status, 204)
        assert.strictEqual((yield* videoOf(address, path)).video["source_sha256"], sha256(bytes))
      })
    )

    it.effect("of tus' own client may come from a stream whose end nobody knows", () =>
      Effect.gen(function* () {
        const { address, root } = yield* TestServer
        const bytes = randomBytes(700_000)
        const sent = yield* Effect.callback<tus.Upload, Error>((resume) => {
          const upload: tus.Upload = new tus.Upload(
            Readable.from([bytes.subarray(0, 400_000), bytes.subarray(400_000)]),
            {
              endpoint: `${address}/api/uploads`,
              headers: admin,
              metadata: { filename: "film.mp4" },
              chunkSize: 300_000,
              uploadLengthDeferred: true,
              storeFingerprintForResuming: false,
              onError: (error) => resume(Effect.fail(error)),
              onSuccess: () => resume(Effect.succeed(upload))
            }
          )
          upload.start()
        })
        const { video } = yield* videoOf(address, new URL(sent.url!).pathname)
        assert.strictEqual(video["source_bytes"], bytes.length)
        assert.isTrue((yield* stored(root, video["id"])).equals(bytes))
      })
    )

    it.effect("takes the method from X-HTTP-Method-Override where only POST gets through", () =>
      Effect.gen(function* () {
        const { address } = yield* TestServer
        const path = yield* begin(address, 10)
        const post = (method: string, headers: Readonly<Record<string, string>>, body = "") =>
          ask(address, path, { method: "POST", headers: { ...headers, "x-http-method-override": method }, body })
        assert.strictEqual((yield* post("PATCH", { ...piece, "upload-offset": "0" }, "1234")).status, 204)
        const told = yield* post("HEAD", protocol)
        assert.strictEqual(told.status, 200)
        assert.strictEqual(told.headers["upload-offset"], "4")
        assert.strictEqual((yield* post("DELETE", { ...protocol, "x-admin-secret": "wrong" })).status, 403)
        assert.strictEqual((yield* post("DELETE", protocol)).status, 204)
        assert.strictEqual((yield* post("HEAD", protocol)).status, 404)
        assert.strictEqual((yield* post("BREW", protocol)).status, 405)
        const elsewhere = yield* ask(address, "/api/videos", {
          method: "POST",
          headers: { ...admin, "x-http-method-override": "GET", "content-length": "0" }
        })
        assert.notStrictEqual(elsewhere.status, 200)
      })
    )

    it.effect("is added to by one request at a time, on whichever replica", () =>
      Effect.gen(function* () {
        const { address, root } = yield* TestServer
        const other = yield* replica(root)
        const bytes = randomBytes(200_000)
        const path = yield* begin(address, bytes.length)
        const first = yield* half(address, path, 0, bytes.length, bytes.subarray(0, 100_000))
        yield* writers(1)
        for (const at of [address, other.address]) {
          assert.strictEqual((yield* patch(at, path, 0, bytes)).status, 423)
        }
        const answered = new Promise<number>((done) =>
          first.once("response", ({ statusCode }) => done(statusCode ?? 0))
        )
        first.end(bytes.subarray(100_000))
        assert.strictEqual(yield* Effect.promise(() => answered), 204)
        const { video } = yield* videoOf(other.address, path)
        assert.isTrue((yield* stored(root, video["id"])).equals(bytes))
      }).pipe(Effect.scoped)
    )

    it.effect("is taken over from a replica that fell silent, which then changes nothing any more", () =>
      Effect.gen(function* () {
        const { address, root } = yield* TestServer
        const other = yield* replica(root)
        const before = yield* Effect.promise(() => readdir(join(root, "arriving")))
        const bytes = randomBytes(300_000)
        const path = yield* begin(address, bytes.length)
        assert.strictEqual((yield* patch(address, path, 0, bytes.subarray(0, 100_000))).status, 204)
        const asleep = yield* half(address, path, 100_000, 200_000, bytes.subarray(100_000, 150_000))
        // It has its file open: otherwise it would find it gone, which is another answer.
        yield* arrived(root, 150_000)
        const answered = new Promise<number>((done) =>
          asleep.once("response", ({ statusCode }) => done(statusCode ?? 0))
        )
        // As after 15 seconds without a word of it; which it may say in between, every 3 seconds, and then it is further.
        const taken = yield* execute(
          "update upload set writer_until = now() - interval '1 second' where writer is not null"
        ).pipe(
          Effect.andThen(offsetOf(other.address, path)),
          Effect.flatMap((offset) => patch(other.address, path, offset, bytes.subarray(offset))),
          Effect.repeat({ until: ({ status }) => status !== 423 && status !== 409 })
        )
        assert.strictEqual(taken.status, 204)

        asleep.end(Buffer.alloc(150_000))
        assert.strictEqual(yield* Effect.promise(() => answered), 409)
        const { video } = yield* videoOf(address, path)
        assert.strictEqual(video["source_sha256"], sha256(bytes))
        assert.isTrue((yield* stored(root, video["id"])).equals(bytes))
        assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(root, "arriving"))), before)
      }).pipe(Effect.scoped)
    )

    it.effect("goes on after a restart of the API, and is not taken when it has expired or its bytes are gone", () =>
      Effect.gen(function* () {
        const { address, root } = yield* TestServer
        const bytes = randomBytes(50_000)
        const path = yield* Effect.scoped(
          Effect.gen(function* () {
            const before = yield* replica(root)
            const path = yield* begin(before.address, bytes.length)
            yield* Effect.scoped(
              Effect.andThen(
                half(before.address, path, 0, bytes.length, bytes.subarray(0, 20_000)),
                arrived(root, 20_000)
              )
            )
            yield* writers(0)
            return path
          })
        )
        assert.strictEqual(yield* offsetOf(address, path), 20_000)
        assert.strictEqual((yield* patch(address, path, 20_000, bytes.subarray(20_000, 30_000))).status, 204)

        yield* execute("update upload set expires_at = now() where video_id is null")
        assert.strictEqual((yield* ask(address, path, { method: "HEAD", headers: protocol })).status, 410)
        assert.strictEqual((yield* patch(address, path, 30_000, bytes.subarray(30_000))).status, 410)
        yield* execute(
          "update upload set expires_at = now() + interval '1 hour', arriving = gen_random_uuid() where video_id is null"
        )
        assert.strictEqual((yield* patch(address, path, 30_000, bytes.subarray(30_000))).status, 410)
      })
    )

    it.effect("is found by its fingerprint until it is finished or ended", () =>
      Effect.gen(function* () {
        const { address, root } = yield* TestServer
        const metadata = `filename ${base64("film.mp4")},fingerprint ${base64("f-1")}`
        const { headers } = yield* create(address, 10, metadata)
        const path = String(headers["location"])
        assert.strictEqual((yield* patch(address, path, 0, Buffer.alloc(4))).status, 204)
        const found = yield* ask(address, "/api/uploads?fingerprint=f-1", { headers: admin })
        assert.strictEqual(found.json["total"], 1)
        assert.deepInclude(found.json["uploads"][0], { bytes: 10, received: 4, filename: "film.mp4", video: null })
        const before = yield* Effect.promise(() => readdir(join(root, "arriving")))

        assert.strictEqual((yield* ask(address, path, { method: "DELETE", headers: protocol })).status, 204)
        assert.strictEqual((yield* ask(address, path, { method: "HEAD", headers: protocol })).status, 404)
        assert.strictEqual((yield* patch(address, path, 4, Buffer.alloc(6))).status, 404)
        const after = yield* ask(address, "/api/uploads?fingerprint=f-1", { headers: admin })
        assert.strictEqual(after.json["total"], 0)
        assert.lengthOf(yield* Effect.promise(() => readdir(join(root, "arriving"))), before.length - 1)
      })
    )
  }
)
