/**
 * Spans, metrics and, where wanted, logs for an OpenTelemetry collector, by OTLP over HTTP. The variables of the
 * OpenTelemetry specification say where to and how much.
 */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import * as Resource from "@effect/opentelemetry/Resource"
import type { Attributes } from "@opentelemetry/api"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { BatchSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { ConfigProvider, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { OtlpLogger, OtlpMetrics, OtlpSerialization } from "effect/observability"
import { scrubbing } from "./Scrubbed.ts"
import { PromisedIds, tracer } from "./Spans.ts"
import { WholeTrees } from "./WholeTrees.ts"

export interface Signals {
  readonly traces: boolean
  readonly metrics: boolean
  readonly logs: boolean
}

export interface Identity {
  readonly serviceName: string
  readonly serviceVersion: string
  readonly attributes: Attributes
}

/** A collector that does not answer is waited for no longer, all signals together. */
const shutdownMillis = 800

const traces = Layer.suspend(() => {
  const ids = new PromisedIds()
  return tracer(ids).pipe(
    Layer.provide(
      NodeSdk.layerTracerProvider(new WholeTrees(new BatchSpanProcessor(scrubbing(new OTLPTraceExporter()))), {
        idGenerator: ids,
        shutdownTimeout: shutdownMillis
      })
    )
  )
})

/** What the variables do not say: a signal that is wanted has OTLP for an exporter. */
const defaults = { OTEL_METRICS_EXPORTER: "otlp" }

/** Effect's exporters take what is said of an export for the time that their end may take, which is ours to say. */
const limits = {
  OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: String(shutdownMillis),
  OTEL_EXPORTER_OTLP_LOGS_TIMEOUT: String(shutdownMillis)
}

export const layer = (
  environment: Readonly<Record<string, string | undefined>>,
  signals: Signals,
  identity: Identity
): Layer.Layer<never> => {
  const { attributes, serviceName, serviceVersion } = identity
  const resource = { serviceName, serviceVersion, attributes: { ...attributes } }
  const otlp = [
    ...(signals.metrics ? [OtlpMetrics.layerFromConfig({ resource })] : []),
    ...(signals.logs ? [OtlpLogger.layerFromConfig({ resource })] : [])
  ]
  const given = Object.entries(environment).filter((entry): entry is [string, string] => (entry[1] ?? "") !== "")
  return Layer.mergeAll(
    signals.traces ? Layer.provide(traces, Resource.layerFromEnv(Resource.configToAttributes(resource))) : Layer.empty,
    ...otlp
  ).pipe(
    Layer.provide([OtlpSerialization.layerJson, FetchHttpClient.layer]),
    Layer.provide(
      ConfigProvider.layer(ConfigProvider.fromEnvRecord({ ...defaults, ...Object.fromEntries(given), ...limits }))
    )
  )
}
