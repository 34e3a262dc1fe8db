/** The server that a worker's state is asked from. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer, References, Schema } from "effect"
import { HttpMiddleware, HttpRouter } from "effect/http"
import { createServer } from "node:http"
import { codeOf } from "../process/causes.ts"
import { type OpsOptions, routes } from "./Routes.ts"

/** The port that was asked for cannot be had. */
class OpsPortUnavailable extends Schema.TaggedError<OpsPortUnavailable>()("OpsPortUnavailable", {
  port: Schema.Int,
  cause: Schema.Defect()
}) {
  override get message() {
    return codeOf(this.cause) === "EADDRINUSE"
      ? `Port ${this.port} is already in use: stop the program that listens there, or set VLOG_WORKER_HEALTH_PORT to another port or to "off"`
      : `Cannot listen on port ${this.port} (VLOG_WORKER_HEALTH_PORT): ${String(this.cause)}`
  }
}

/** Probes would drown the traces that matter, and nothing else is asked here. */
const untraced = Layer.mergeAll(
  Layer.succeed(HttpMiddleware.TracerDisabledWhen)(() => true),
  Layer.succeed(References.TracerEnabled)(false)
)

export const layer = (options: OpsOptions & { readonly port: number }) =>
  HttpRouter.serve(routes(options), { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provide(untraced),
    Layer.provide(
      NodeHttpServer.layer(createServer, { port: options.port, gracefulShutdownTimeout: "1 second" }).pipe(
        Layer.catchTag("ServeError", ({ cause }) =>
          Layer.effectContext(Effect.fail(new OpsPortUnavailable({ port: options.port, cause })))
        )
      )
    )
  )
