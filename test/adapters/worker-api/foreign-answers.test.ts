/** What a worker makes of answers that are not the API's: a proxy's error pages, and ones that break off. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import * as HttpWorkerApi from "../../../src/adapters/worker-api/client/WorkerApi.ts"
import { WorkerApi } from "../../../src/domain/ports/WorkerApi.ts"

const answering = (answer: (response: ServerResponse) => void) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly address: string; readonly close: () => void }>((done) => {
          const server = createServer((request, response) => {
            request.resume()
            answer(response)
          }).listen(0, "127.0.0.1", () =>
            done({
              address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
              close: () => {
                server.closeAllConnections()
                server.close()
              }
            })
          )
        })
    ),
    ({ close }) => Effect.sync(close)
  )

const heartbeat = (answer: (response: ServerResponse) => void) =>
  Effect.gen(function* () {
    const { address } = yield* answering(answer)
    return yield* WorkerApi.use((api) => api.heartbeat({ status: "idle", capabilities: null })).pipe(
      Effect.provide(
        Layer.provide(
          HttpWorkerApi.layer({ address, login: null, key: Redacted.make("key"), leaseSeconds: 90 }),
          NodeHttpClient.layerNodeHttp
        )
      ),
      Effect.flip
    )
  })

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
