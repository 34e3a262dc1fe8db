/** What the environment says about telemetry: the variables of the OpenTelemetry specification. */
import { Config, Effect, Schema } from "effect"
import { readAll } from "./readAll.ts"

const Address = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter(
      (address) =>
        (/^https?:/.test(address) && URL.canParse(address)) || "Expected an address like http://collector:4318"
    )
  )
)

/** Set or not, and whether it can be right, is all that is asked here: the exporters read these themselves. */
const endpoint = (name: string) => Config.schema(Address, name).pipe(Config.withDefault(""))

const exporter = (signal: "TRACES" | "METRICS" | "LOGS", otherwise: "otlp" | "none") =>
  Config.Literals(["otlp", "none"], `OTEL_${signal}_EXPORTER`).pipe(Config.withDefault(otherwise))

/** Protobuf is what most collectors are told to expect; all of them take JSON at the same address. gRPC is another port. */
const protocolProblem = (protocol: string) =>
  protocol === "grpc"
    ? 'OTEL_EXPORTER_OTLP_PROTOCOL is "grpc", which is not spoken here: telemetry is off. Set it to "http/json", with the ' +
      "collector's HTTP port (4318, as a rule) in OTEL_EXPORTER_OTLP_ENDPOINT"
    : null

export const telemetrySettings = Effect.map(
  readAll({
    disabled: Config.Boolean("OTEL_SDK_DISABLED").pipe(Config.withDefault(false)),
    protocol: Config.String("OTEL_EXPORTER_OTLP_PROTOCOL").pipe(Config.withDefault("")),
    everything: endpoint("OTEL_EXPORTER_OTLP_ENDPOINT"),
    tracesAt: endpoint("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    metricsAt: endpoint("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
    logsAt: endpoint("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"),
    traces: exporter("TRACES", "otlp"),
    metrics: exporter("METRICS", "otlp"),
    // What is written to stdout is collected in a cluster anyway.
    logs: exporter("LOGS", "none")
  }),
  ({ disabled, everything, logs, logsAt, metrics, metricsAt, protocol, traces, tracesAt }) => {
    const addressed = everything !== "" || tracesAt !== "" || metricsAt !== "" || logsAt !== ""
    const problem = addressed && !disabled ? protocolProblem(protocol) : null
    const on = (exporter: "otlp" | "none", at: string) =>
      !disabled && problem === null && exporter === "otlp" && (everything !== "" || at !== "")
    return {
      problem,
      signals: { traces: on(traces, tracesAt), metrics: on(metrics, metricsAt), logs: on(logs, logsAt) }
    }
  }
)
