import { createHash, randomUUID } from "node:crypto"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as HttpWorkerApi from "../../../src/adapters/worker-api/client/WorkerApi.ts"
import { Sha256 } from "../../../src/domain/ids.ts"
import type { ClaimedTask } from "../../../src/domain/ports/JobStore.ts"
import { WorkerApi } from "../../../src/domain/ports/WorkerApi.ts"
import { claimedTask } from "../../domain/support/worker.ts"

const film = Buffer.from(Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 7 + (index >> 10)) % 256))
const other = Buffer.from(film.map((byte) => 255 - byte))
const sha256 = (bytes: Buffer) => Sha256.make(createHash("sha256").update(bytes).digest("hex"))
const key = Redacted.make("the-key-of-this-worker")

const task: ClaimedTask = {
  ...claimedTask(42),
  source: { fileName: "film.mp4", extension: ".mp4", bytes: film.length, sha256: sha256(film) }
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

let folder: string
let server: Server
let address: string
/** What is asked, in order; each gets the next answer. */
let asked: Array<IncomingMessage["headers"]> = []
let answers: Array<Answer> = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-download-"))
  server = createServer((request, response) => {
    asked.push({ ...request.headers, path: request.url })
    const answer = answers.shift()
    if (answer === undefined) return void response.writeHead(418).end()
    answer(request, response)
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true, force: true })
})

const rangeStart = (request: IncomingMessage) => Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0)

/** As our server does it: a part when asked for one of this very file. */
const honest =
  (bytes: Buffer, options: { readonly until?: number; readonly spoil?: number } = {}): Answer =>
  (request, response) => {
    const etag = `"${sha256(bytes)}"`
    const start = request.headers["if-range"] === etag ? rangeStart(request) : 0
    const body = Buffer.from(bytes.subarray(start))
    if (options.spoil !== undefined) body[options.spoil - start]! ^= 1
    response.writeHead(start > 0 ? 206 : 200, {
      etag,
      "content-length": body.length,
      ...(start > 0 ? { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {})
    })
    if (options.until === undefined) return void response.end(body)
    // The bytes are on their way before the line is cut.
    response.write(body.subarray(0, options.until - start), () => setTimeout(() => response.destroy(), 100))
  }

const status =
  (code: number): Answer =>
  (_, response) =>
    void response.writeHead(code).end("no")

const download = (script: ReadonlyArray<Answer>) =>
  Effect.gen(function* () {
    asked = []
    answers = [...script]
    const path = join(folder, randomUUID())
    const api = yield* WorkerApi
    yield* api.download(task, path, () => Effect.void)
    assert.deepStrictEqual(answers, [], "every answer was asked for")
    return yield* Effect.promise(() => readFile(path))
  }).pipe(
    Effect.provide(
      HttpWorkerApi.layer({ address, key, leaseSeconds: 60 }).pipe(Layer.provide(NodeHttpClient.layerUndici))
    )
  )

const succeeds = Effect.fnUntraced(function* (script: ReadonlyArray<Answer>) {
  const bytes = yield* download(script)
  assert.isTrue(bytes.equals(film), `${bytes.length} bytes`)
})

describe("a download", () => {
  const test = (what: string, body: () => Effect.Effect<void, unknown>) =>
    it.live(what, () => Effect.suspend(body), { timeout: 60_000 })

  test("arrives whole, and says who asks and for which attempt", () =>
    Effect.gen(function* () {
      yield* succeeds([honest(film)])
      assert.deepInclude(asked[0], {
        path: "/api/worker/source/42",
        "x-worker-api-key": Redacted.value(key),
        "x-lease-id": task.leaseId
      })
      assert.isUndefined(asked[0]?.range)
    }))

  test("does not lose patience with a line that breaks each time that some has come", () =>
    succeeds([
      ...Array.from({ length: 12 }, (_, index) => honest(film, { until: (index + 1) * 200_000 })),
      honest(film)
    ]))

  test("goes on where the connection broke, as often as it breaks", () =>
    Effect.gen(function* () {
      yield* succeeds([
        honest(film, { until: 1_000_000 }),
        honest(film, { until: 1_000_001 }),
        honest(film, { until: 2_500_000 }),
        honest(film)
      ])
      const starts = asked.map((headers) => headers.range)
      assert.deepStrictEqual(starts, [undefined, "bytes=1000000-", "bytes=1000001-", "bytes=2500000-"])
      assert.strictEqual(asked[1]?.["if-range"], `"${task.source.sha256}"`)
    }))

  test("starts again when the server cannot give a part", () =>
    succeeds([
      honest(film, { until: 2_000_000 }),
      (_, response) => void response.writeHead(200, { "content-length": film.length }).end(film)
    ]))

  test("waits for a server that is away for a while", () => succeeds([status(503), status(429), honest(film)]))

  test("does not glue two files together", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(download([honest(film, { until: 1_000_000 }), honest(other)]))
      assert.strictEqual((error as { _tag: string })._tag, "ApiRefused")
      assert.include((error as Error).message, sha256(other), "only the other file, whole")
    }))

  test("refuses a part that is not the one it asked for", () =>
    Effect.gen(function* () {
      const wrong: Answer = (_, response) =>
        void response.writeHead(206, { "content-range": `bytes 0-${film.length - 1}/${film.length}` }).end(film)
      const error = yield* Effect.flip(download([honest(film, { until: 1_000_000 }), wrong]))
      assert.deepInclude(error, { _tag: "ApiRefused", status: 206 })
    }))

  test("sees one flipped bit", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(download([honest(film, { spoil: 2_345_678 })]))
      assert.deepInclude(error, { _tag: "ApiRefused" })
      assert.include((error as Error).message, sha256(film))
    }))

  test("sees more bytes than there should be", () =>
    Effect.gen(function* () {
      const longer = Buffer.concat([film, Buffer.from("and more")])
      const error = yield* Effect.flip(
        download([(_, response) => void response.writeHead(200, { "content-length": longer.length }).end(longer)])
      )
      assert.deepInclude(error, { _tag: "ApiRefused" })
    }))

  test("is not taken in by an answer that ends early and looks complete", () =>
    Effect.gen(function* () {
      const short: Answer = (_, response) => void response.writeHead(200).end(film.subarray(0, 1_500_000))
      yield* succeeds([short, honest(film)])
      assert.strictEqual(asked[1]?.range, "bytes=1500000-")
    }))

  for (const code of [403, 404, 409]) {
    test(`stops at ${code}: the task is somebody else's`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(download([status(code)]))
        assert.deepInclude(error, { _tag: "LeaseLost" })
        assert.strictEqual(asked.length, 1)
      }))
  }

  test("stops at an answer that asking again would not change", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(download([status(400)]))
      assert.deepInclude(error, { _tag: "ApiRefused", status: 400 })
      assert.strictEqual(asked.length, 1)
    }))
})
