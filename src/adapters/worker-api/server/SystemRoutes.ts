/** Whether the API could do its work now. */
import { Clock, Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { JobStore } from "../../../domain/ports/JobStore.ts"
import { MediaStore } from "../../../domain/ports/MediaStore.ts"
import type { Health } from "../contract/Api.ts"
import { Api } from "../contract/Api.ts"

/** Seconds that a network file system may take for a small file. */
const patience = "2 seconds"

export const systemRoutes = HttpApiBuilder.group(
  Api,
  "system",
  Effect.fn(function* (handlers) {
    const jobs = yield* JobStore
    const media = yield* MediaStore
    const works = <A, E>(effect: Effect.Effect<A, E>) => Effect.isSuccess(Effect.timeout(effect, patience))

    return handlers.handleRaw(
      "health",
      Effect.fnUntraced(function* () {
        const [database, storage] = yield* Effect.all([works(jobs.jobs({ limit: 1, offset: 0 })), works(media.probe)], {
          concurrency: 2
        })
        const health: Health = {
          status: database && storage ? "healthy" : "unhealthy",
          checks: { database, storage },
          storage: {
            healthy: storage,
            last_check: new Date(yield* Clock.currentTimeMillis).toISOString(),
            error: storage ? null : "Storage check failed or timed out"
          }
        }
        return HttpServerResponse.jsonUnsafe(health, { status: database && storage ? 200 : 503 })
      })
    )
  })
)
