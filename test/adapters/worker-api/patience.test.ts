/** A worker and an API that is away for longer than a restart takes, but not for as long as a lease. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import * as HttpWorkerApi from "../../../src/adapters/worker-api/client/WorkerApi.ts"
import { WorkerApi } from "../../../src/domain/ports/WorkerApi.ts"
import { sha256 } from "../../domain/support/ids.ts"
import { claimedTask } from "../../domain/support/worker.ts"
import { stubServer } from "./support/stubServer.ts"

const segment = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = await mkdtemp(join(tmpdir(), "vlog-patience-"))
    const path = join(folder, "seg_00000.m4s")
    await writeFile(path, "a segment")
    return { folder, path }
  }),
  ({ folder }) => Effect.promise(() => rm(folder, { recursive: true }))
)

it.effect("a segment waits for an API that is away for a minute", () =>
  Effect.gen(function* () {
    let status = 503
    const { path } = yield* segment
    const address = yield* stubServer((response) => response.writeHead(status).end())
    const file = { rendition: "360p", name: "seg_00000.m4s", bytes: 9, sha256: sha256(1) } as const
    const upload = yield* WorkerApi.use((api) =>
      api.upload(claimedTask(), file as Parameters<typeof api.upload>[1], path)
    ).pipe(
      Effect.provide(
        Layer.provide(
          HttpWorkerApi.layer({ address, login: null, key: Redacted.make("key"), leaseSeconds: 90 }),
          NodeHttpClient.layerNodeHttp
        )
      ),
      Effect.forkChild
    )
    const began = yield* Clock.currentTimeMillis
    while (upload.pollUnsafe() === undefined) {
      // What is asked and answered meanwhile takes time of the machine.
      yield* Effect.promise(() => sleep(20))
      yield* TestClock.adjust("1 second")
      if ((yield* Clock.currentTimeMillis) - began >= 60_000) status = 200
    }
    yield* Fiber.join(upload)
    assert.strictEqual(status, 200)
  })
)
