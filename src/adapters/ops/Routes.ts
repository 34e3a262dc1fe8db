/** Whether a worker is well, for the kubelet, for Prometheus and for people. */
import { Effect, SubscriptionRef } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { describe } from "../../domain/media/Encoder.ts"
import type { Capabilities } from "../../domain/workers/Capabilities.ts"
import { Encoders } from "../../domain/workers/Encoders.ts"
import { WorkerState } from "../../domain/workers/WorkerState.ts"
import { eventLoop } from "../process/eventLoop.ts"
import { findOnPath } from "../process/programs.ts"
import { Sampler } from "../telemetry/Sampler.ts"

export interface OpsOptions {
  readonly version: string
  /** Of the Worker API, without a name and a password. */
  readonly address: string
  /** What keeps ffmpeg away from the rest of the machine, and why nothing better does. */
  readonly confinement: { readonly sandbox: string; readonly reason: string | null }
  /** Where programs are looked for; the PATH of this process unless said otherwise. */
  readonly path?: string
}

/** Not there until the trials have ended. */
const told = (capabilities: Capabilities) => ({
  ffmpeg_version: capabilities.ffmpegVersion,
  devices: capabilities.devices,
  decoders: capabilities.decoders,
  encoders: capabilities.encoders.map(describe),
  refused_encoders: capabilities.refused.map(({ encoder, reason }) => ({ encoder: describe(encoder), reason }))
})

export const routes = (options: OpsOptions) =>
  HttpRouter.use(
    Effect.fn(function* (router) {
      const state = yield* WorkerState
      const encoders = yield* Encoders
      const { sample } = yield* Sampler
      const { worst } = yield* eventLoop

      /**
       * Answers whenever the event loop turns: a stuck one answers nothing, and the probe's timeout tells. One that is
       * merely busy answers late and says how late, and the API being away is no reason to start anew.
       */
      const health = Effect.map(worst, (millis) =>
        HttpServerResponse.jsonUnsafe({ status: "healthy", event_loop_lag_ms: Math.round(millis) })
      )

      const ready = Effect.gen(function* () {
        const { connected, phase } = yield* SubscriptionRef.get(state)
        const found = yield* Effect.promise(() =>
          Promise.all(["ffmpeg", "ffprobe"].map((program) => findOnPath(program, options.path)))
        )
        // One that has not been tried yet is not known to work.
        const working = (yield* encoders.capabilities)?.encoders ?? []
        const ffmpeg = !found.includes(undefined) && working.length > 0
        const checks = { ffmpeg, api_connected: connected }
        const isReady = checks.ffmpeg && checks.api_connected && phase === "working"
        return HttpServerResponse.jsonUnsafe(
          { status: isReady ? "ready" : "not_ready", checks },
          { status: isReady ? 200 : 503 }
        )
      })

      const info = Effect.gen(function* () {
        const { connected, phase, room, tasks } = yield* SubscriptionRef.get(state)
        const capabilities = yield* encoders.capabilities
        return HttpServerResponse.jsonUnsafe({
          service: "vlog-worker",
          version: options.version,
          api_url: options.address,
          api_connected: connected,
          phase,
          tasks,
          tasks_max: room,
          ffmpeg_sandbox: options.confinement.sandbox,
          ffmpeg_sandbox_reason: options.confinement.reason,
          ...(capabilities === null ? {} : told(capabilities))
        })
      })

      const metrics = Effect.gen(function* () {
        yield* sample
        return HttpServerResponse.text(yield* PrometheusMetrics.format(), {
          contentType: "text/plain; version=0.0.4; charset=utf-8"
        })
      })

      yield* router.add("GET", "/health", health)
      yield* router.add("GET", "/ready", ready)
      yield* router.add("GET", "/", info)
      yield* router.add("GET", "/metrics", metrics)
    })
  )
