/** Whether the API could do its work now. */
import { Clock, Effect, Redacted } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { HttpApiBuilder } from "effect/http-api"
import { AccessKeys } from "../../../domain/ports/AccessKeys.ts"
import { JobStore } from "../../../domain/ports/JobStore.ts"
import { MediaStore } from "../../../domain/ports/MediaStore.ts"
import { Sampler } from "../../telemetry/Sampler.ts"
import type { Health } from "../contract/Api.ts"
import { Api } from "../contract/Api.ts"
import { addressOf, TrustedProxies } from "./Caller.ts"
import { tooMany } from "./Guards.ts"
import { touchCounters } from "./Metrics.ts"
import { RateLimits } from "./RateLimits.ts"
import { isSecret } from "./Secret.ts"
import { ApiSettings, MetricsToken } from "./Settings.ts"

const prometheus = "text/plain; version=0.0.4; charset=utf-8"

const refused = HttpServerResponse.jsonUnsafe({ detail: "Authentication required for metrics" }, { status: 403 })

/** Seconds that a network file system may take for a small file. */
const patience = "2 seconds"

export const systemRoutes = HttpApiBuilder.group(
  Api,
  "system",
  Effect.fn(function* (handlers) {
    const jobs = yield* JobStore
    const media = yield* MediaStore
    const { sample } = yield* Sampler
    const keys = yield* AccessKeys
    const limits = yield* RateLimits
    const trusted = yield* TrustedProxies
    const token = yield* MetricsToken
    const settings = yield* ApiSettings
    yield* touchCounters

    /** By the scraper's own token, or by a key that may read. */
    const mayScrape = (request: HttpServerRequest.HttpServerRequest) => {
      const shown = request.headers["authorization"] ?? ""
      if (token === null || isSecret(shown, `Bearer ${Redacted.value(token)}`)) return Effect.succeed(true)
      return Effect.isSuccess(keys.authenticate(Redacted.make(shown.replace(/^Bearer /, ""))))
    }

    const scrape = Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      yield* limits.take("metrics", addressOf(request, trusted))
      if (!(yield* mayScrape(request))) return refused
      yield* sample
      return HttpServerResponse.text(yield* PrometheusMetrics.format(), { contentType: prometheus })
    }).pipe(Effect.catchTag("RateExceeded", (error) => Effect.succeed(tooMany(error))))

    const works = <A, E>(effect: Effect.Effect<A, E>) => Effect.isSuccess(Effect.timeout(effect, patience))

    return handlers
      .handleRaw("metrics", () => scrape)
      .handleRaw(
        "health",
        Effect.fnUntraced(function* () {
          const exceeded = yield* limits
            .take("default", `health ${addressOf(yield* HttpServerRequest.HttpServerRequest, trusted)}`)
            .pipe(Effect.match({ onFailure: tooMany, onSuccess: () => null }))
          if (exceeded !== null) return exceeded
          const [database, storage] = yield* Effect.all(
            [works(jobs.jobs({ limit: 1, offset: 0 })), works(media.probe)],
            {
              concurrency: 2
            }
          )
          const health: Health = {
            status: database && storage ? "healthy" : "unhealthy",
            checks: { database, storage },
            storage: {
              healthy: storage,
              last_check: new Date(yield* Clock.currentTimeMillis).toISOString(),
              error: storage ? null : "Storage check failed or timed out"
            },
            version: settings.version
          }
          return HttpServerResponse.jsonUnsafe(health, { status: database && storage ? 200 : 503 })
        })
      )
  })
)
