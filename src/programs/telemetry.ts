/** Whether and what a program tells to an OpenTelemetry collector. */
import { Effect, Layer, References, Schedule } from "effect"
import { Sampler } from "../adapters/telemetry/Sampler.ts"
import { telemetrySettings } from "./settings/telemetry.ts"
import { version } from "./version.ts"

/** Nobody would see the spans: none are made. */
const off = Layer.succeed(References.TracerEnabled)(false)

/** What is not wanted is not even loaded. */
export const telemetry = (program: string) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { problem, signals } = yield* telemetrySettings
      if (problem !== null) yield* Effect.logWarning(problem)
      if (!Object.values(signals).includes(true)) return off
      const [{ layer }, { attributesOf }] = yield* Effect.promise(() =>
        Promise.all([import("../adapters/telemetry/OpenTelemetry.ts"), import("../adapters/telemetry/identity.ts")])
      )
      const identity = {
        serviceName: process.env["OTEL_SERVICE_NAME"] || `vlog-${program}`,
        serviceVersion: version,
        attributes: attributesOf(process.env)
      }
      const exporting = layer(process.env, signals, identity)
      return signals.traces ? exporting : Layer.merge(exporting, off)
    })
  )

/** A collector is sent what the gauges say; nobody asks for them first, as a scrape does. */
export const sampling = Layer.effectDiscard(
  Effect.gen(function* () {
    const { signals } = yield* telemetrySettings
    if (!signals.metrics) return
    const { sample } = yield* Sampler
    yield* sample.pipe(Effect.withTracerEnabled(false), Effect.repeat(Schedule.spaced("15 seconds")), Effect.forkScoped)
  })
)
