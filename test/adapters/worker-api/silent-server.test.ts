/** A server that takes what it is asked and never answers, as a lost connection does: no call waits for ever. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import * as HttpWorkerApi from "../../../src/adapters/worker-api/client/WorkerApi.ts"
import { Fingerprint } from "../../../src/domain/ids.ts"
import { WorkerApi } from "../../../src/domain/ports/WorkerApi.ts"
import { sha256 } from "../../domain/support/ids.ts"
import { claimedTask } from "../../domain/support/worker.ts"
import { stubServer } from "./support/stubServer.ts"

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-silent-"))
  await writeFile(join(folder, "seg_00000.m4s"), "a segment")
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** Answers nothing but heartbeats, and tells when it is asked. `speaks` makes it one of ours. */
const silentServer = Effect.fnUntraced(function* (speaks: "ours" | "vlog") {
  const { promise: asked, resolve: tell } = Promise.withResolvers<void>()
  const address = yield* stubServer((response, { url }) => {
    if (url !== "/api/worker/heartbeat") return tell()
    response.writeHead(200, { "content-type": "application/json" }).end(
      JSON.stringify({
        status: "ok",
        server_time: "2026-11-27T12:00:00Z",
        required_version: null,
        version_ok: true,
        worker_status: null,
        current_job_id: null,
        last_heartbeat_recorded: null,
        ...(speaks === "ours" ? { server: { name: "vlog", version: "1", features: ["resume"] } } : {})
      })
    )
  })
  return { address, asked }
})

const task = claimedTask()

type Call = (api: WorkerApi["Service"]) => Effect.Effect<unknown, { readonly _tag: string; readonly message: string }>

const calls: Readonly<Record<string, Call>> = {
  claim: (api) => api.claim,
  renew: (api) => api.renew(task, { progress: { step: "download", percent: 0, renditions: [] }, facts: null }),
  begin: (api) => api.begin(task, Fingerprint.make("f".repeat(64))),
  download: (api) => api.download(task, join(folder, "source.mp4"), () => Effect.void),
  upload: (api) => {
    const file = { rendition: "360p", name: "seg_00000.m4s", bytes: 9, sha256: sha256(1) } as const
    return api.upload(task, file as Parameters<typeof api.upload>[1], join(folder, file.name))
  },
  fail: (api) => api.fail(task, { error: "No", reason: "crashed", retry: true, stderr: null, notes: [] }),
  release: (api) => api.release(task)
}

const givesUp = (name: string, speaks: "ours" | "vlog") =>
  Effect.gen(function* () {
    const { address, asked } = yield* silentServer(speaks)
    const error = yield* Effect.gen(function* () {
      const api = yield* WorkerApi
      yield* api.heartbeat({ status: "idle", capabilities: null })
      const fiber = yield* Effect.forkChild(Effect.flip(calls[name]!(api)))
      yield* Effect.promise(() => asked)
      // The longest: an upload that is tried again until patience ends.
      yield* TestClock.adjust("20 minutes")
      return yield* Fiber.join(fiber)
    }).pipe(
      Effect.provide(
        Layer.provide(
          HttpWorkerApi.layer({ address, login: null, key: Redacted.make("key"), leaseSeconds: 90 }),
          NodeHttpClient.layerNodeHttp
        )
      )
    )
    assert.strictEqual(error._tag, "ApiUnavailable")
    assert.match(error.message, new RegExp(`${address} does not answer within \\d+ s`))
  })

describe("a server that never answers", () => {
  it.effect.each(Object.keys(calls))("%s does not wait for ever", (name) => givesUp(name, "ours"))

  it.effect.each(["claim", "renew", "download", "upload", "fail"])("%s does not wait for ever at VLog's", (name) =>
    givesUp(name, "vlog")
  )
})
