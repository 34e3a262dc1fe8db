/** The Worker API as `src/programs/api.ts` puts it together, on a free port, with a database and a folder of its own. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Context, Effect, Layer, Redacted } from "effect"
import { HttpServer } from "effect/http"
import * as TarGzip from "../../../../src/adapters/archive/TarGzip.ts"
import * as SegmentInspector from "../../../../src/adapters/mp4/Inspector.ts"
import type { Db } from "../../../../src/adapters/postgres/Db.ts"
import * as AccessKeys from "../../../../src/adapters/postgres/AccessKeys.ts"
import * as DeliveryStore from "../../../../src/adapters/postgres/DeliveryStore.ts"
import * as FarmFigures from "../../../../src/adapters/postgres/FarmFigures.ts"
import * as JobControl from "../../../../src/adapters/postgres/JobControl.ts"
import * as JobNews from "../../../../src/adapters/postgres/JobNews.ts"
import * as JobSignal from "../../../../src/adapters/postgres/JobSignal.ts"
import * as JobStore from "../../../../src/adapters/postgres/JobStore.ts"
import * as UploadStore from "../../../../src/adapters/postgres/UploadStore.ts"
import * as VideoStore from "../../../../src/adapters/postgres/VideoStore.ts"
import * as WorkerRegistry from "../../../../src/adapters/postgres/WorkerRegistry.ts"
import * as MediaStore from "../../../../src/adapters/storage/MediaStore.ts"
import * as MediaUpkeep from "../../../../src/adapters/storage/MediaUpkeep.ts"
import * as Pages from "../../../../src/adapters/web/Routes.ts"
import * as FarmGauges from "../../../../src/adapters/worker-api/server/FarmGauges.ts"
import { defaultLimits, type Limits, RateLimits } from "../../../../src/adapters/worker-api/server/RateLimits.ts"
import * as Server from "../../../../src/adapters/worker-api/server/Server.ts"
import { ApiSettings } from "../../../../src/adapters/worker-api/server/Settings.ts"
import { TestDatabase } from "../../../support/postgres.ts"

export const adminSecret = "correct-horse-battery-staple"

export class TestServer extends Context.Service<
  TestServer,
  { readonly address: string; readonly port: number; readonly root: string }
>()("vlog/test/adapters/worker-api/support/server/TestServer") {}

/** Small limits, so that a test can reach them. */
export const maxPartBytes = 8 * 1024 * 1024

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "vlog-wire-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

/** One of several over the same database and the same folder. */
export const replica = Effect.fnUntraced(function* (root: string, limits: Partial<Limits> = {}) {
  const stores = Layer.mergeAll(VideoStore.layer, DeliveryStore.layer, JobControl.layer).pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        JobStore.layer,
        WorkerRegistry.layer,
        JobSignal.layer,
        JobNews.layer,
        FarmFigures.layer,
        AccessKeys.layer,
        UploadStore.layer({ life: "1 hour" })
      )
    )
  )
  const http = Server.serve(Layer.mergeAll(Server.routes, Pages.routes), { host: "127.0.0.1", port: 0 }).pipe(
    Layer.provide(FarmGauges.layer)
  )
  const context = yield* Layer.build(
    http.pipe(
      Layer.provide([
        stores,
        MediaStore.layer({ root }),
        MediaUpkeep.layer({ root }),
        SegmentInspector.layer,
        TarGzip.layer,
        RateLimits.layer({ ...defaultLimits, ...limits }),
        Layer.succeed(ApiSettings)({
          adminSecret: Redacted.make(adminSecret),
          claimSeconds: 1800,
          gpuWaitSeconds: 60,
          maxSourceBytes: 64 * 1024 * 1024,
          maxPartBytes,
          version: "1.2.3"
        })
      ])
    )
  )
  const { address } = Context.get(context, HttpServer.HttpServer)
  const port = "port" in address ? address.port : 0
  return { address: `http://127.0.0.1:${port}`, port, root }
})

export const testServer = (limits: Partial<Limits> = {}): Layer.Layer<TestServer | Db, unknown> =>
  Layer.effect(
    TestServer,
    Effect.flatMap(temporaryFolder, (root) => replica(root, limits))
  ).pipe(Layer.provideMerge(TestDatabase.layerDb))
