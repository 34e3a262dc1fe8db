/** What a worker makes of answers that are not the API's: a proxy's error pages, and ones that break off. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted } from "effect"
import type { ServerResponse } from "node:http"
import * as HttpWorkerApi from "../../../src/adapters/worker-api/client/WorkerApi.ts"
import { WorkerApi } from "../../../src/domain/ports/WorkerApi.ts"
import { claimedTask } from "../../domain/support/worker.ts"
import { stubServer } from "./support/stubServer.ts"

const asking = <A, E>(
  call: (api: WorkerApi["Service"]) => Effect.Effect<A, E>,
  answer: (response: ServerResponse) => void
) =>
  Effect.gen(function* () {
    const address = yield* stubServer(answer)
    return yield* WorkerApi.use(call).pipe(
      Effect.provide(
        Layer.provide(
          HttpWorkerApi.layer({ address, login: null, key: Redacted.make("key"), leaseSeconds: 90 }),
          NodeHttpClient.layerNodeHttp
        )
      )
    )
  })

const heartbeat = (answer: (response: ServerResponse) => void) =>
  Effect.flip(asking((api) => api.heartbeat({ status: "idle", capabilities: null }), answer))

const page = (status: number) => (response: ServerResponse) =>
  void response.writeHead(status, { "content-type": "text/html" }).end("<h1>nginx</h1>")

it.effect.each([429, 500, 502, 503, 504])("waits where a proxy answers with a page and %d", (status) =>
  Effect.gen(function* () {
    const error = yield* heartbeat(page(status))
    assert.strictEqual(error._tag, "ApiUnavailable")
    assert.include(error.message, String(status))
  })
)

it.effect.each([400, 401, 403, 404, 413])("names the address where a page comes with %d", (status) =>
  Effect.gen(function* () {
    const error = yield* heartbeat(page(status))
    assert.strictEqual(error._tag, "ApiRefused")
    assert.include(error.message, "check VLOG_WORKER_API_URL")
  })
)

it.effect("waits where an error breaks off in the middle", () =>
  Effect.gen(function* () {
    const error = yield* heartbeat((response) => {
      response.writeHead(503, { "content-type": "application/json", "content-length": "100" }).write('{"detail":')
      setTimeout(() => response.destroy(), 50)
    })
    assert.strictEqual(error._tag, "ApiUnavailable")
  })
)

it.effect("takes a task for lost when the key is none any more", () =>
  Effect.gen(function* () {
    const report = { progress: { step: "transcode", percent: 50, renditions: [] }, facts: null } as const
    const error = yield* Effect.flip(
      asking(
        (api) => api.renew(claimedTask(), report),
        (response) =>
          void response.writeHead(401, { "content-type": "application/json" }).end('{"detail":"Invalid API key"}')
      )
    )
    assert.strictEqual(error._tag, "LeaseLost")
    assert.include(error.message, "check VLOG_WORKER_API_KEY")
  })
)

const claim = (extension: string) => ({
  job_id: 1,
  video_id: 1,
  video_slug: "film",
  video_duration: 0,
  source_width: 0,
  source_height: 0,
  source_filename: `1${extension}`,
  claim_expires_at: "2026-01-01T00:00:00Z",
  existing_qualities: null,
  message: "Job claimed successfully",
  lease_id: "7f3b1c9e-5a0d-4f7e-9c55-2b7a7b0c1d2e",
  lease_seconds: 90,
  task: {
    id: 1,
    kind: "whole",
    first_frame: null,
    frame_count: null,
    source: { file_name: `film${extension}`, extension, bytes: 1, sha256: null }
  }
})

it.effect("takes no name for a file that leads out of its folder", () =>
  Effect.gen(function* () {
    const claiming = (extension: string) =>
      asking(
        ({ claim }) => claim,
        (response) =>
          void response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(claim(extension)))
      )
    assert.isTrue(Option.isSome(yield* claiming(".mp4")))
    for (const extension of ["/../../x", ".mp4/../../x", ".m p4"]) {
      assert.strictEqual((yield* Effect.flip(claiming(extension)))._tag, "ApiRefused", extension)
    }
  })
)
