/** The Worker API's routes and documents, and the server that they run on. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { ByteSize, Effect, Layer, Schema } from "effect"
import { HttpIncomingMessage, HttpRouter } from "effect/http"
import { HttpApiBuilder, HttpApiScalar } from "effect/http-api"
import { createServer } from "node:http"
import { codeOf } from "../../process/causes.ts"
import { Api } from "../contract/Api.ts"
import { reencodeRoutes } from "./ReencodeRoutes.ts"
import { uploadRoutes } from "./UploadRoutes.ts"
import { envelope } from "./Envelope.ts"
import { Followers } from "./Followers.ts"
import { adminRoutes } from "./AdminRoutes.ts"
import { adminAuth, validation, workerAuth } from "./Guards.ts"
import { overriding } from "./MethodOverride.ts"
import { jobRoutes } from "./JobRoutes.ts"
import { keyRoutes } from "./KeyRoutes.ts"
import { resumableOptionsRoutes, resumableRoutes } from "./ResumableRoutes.ts"
import { systemRoutes } from "./SystemRoutes.ts"
import { adopting, continued, tracing } from "./Tracing.ts"
import { videoRoutes } from "./VideoRoutes.ts"
import { workerRoutes } from "./WorkerRoutes.ts"

/** Far more than any list of files of a long film in a `complete`; bodies that are streamed have limits of their own. */
const maxJsonBytes = ByteSize.mebibytes(32)

const api = HttpApiBuilder.layer(Api, { openapiPath: "/openapi.json" }).pipe(
  Layer.provide([
    workerRoutes,
    uploadRoutes,
    reencodeRoutes,
    adminRoutes,
    videoRoutes,
    resumableRoutes,
    resumableOptionsRoutes,
    jobRoutes,
    keyRoutes,
    systemRoutes
  ]),
  Layer.provide([workerAuth, adminAuth, validation])
)

/**
 * An upload of a whole film takes hours, so that Node's limit on the time of a request is off; a stalled one is ended
 * where its body is read. Idle connections live longer than the 30 s for which clients of the protocol keep theirs.
 */
const nodeServer = () =>
  overriding(adopting(createServer({ requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 75_000 })))

export const routes = Layer.mergeAll(api, HttpApiScalar.layer(Api, { path: "/docs" }), envelope, continued).pipe(
  Layer.provide(Layer.succeed(HttpIncomingMessage.MaxBodySize)(maxJsonBytes))
)

/** The port that was asked for cannot be had. */
class PortUnavailable extends Schema.TaggedError<PortUnavailable>()("PortUnavailable", {
  host: Schema.String,
  port: Schema.Int,
  cause: Schema.Defect()
}) {
  override get message() {
    return codeOf(this.cause) === "EADDRINUSE"
      ? `Port ${this.port} is already in use: stop the program that listens there, or set VLOG_WORKER_API_PORT to another port`
      : `Cannot listen on ${this.host}:${this.port}: ${String(this.cause)}`
  }
}

const server = (options: { readonly host: string; readonly port: number }) =>
  NodeHttpServer.layer(nodeServer, { ...options, gracefulShutdownTimeout: "10 seconds" }).pipe(
    Layer.catchTag("ServeError", ({ cause }) =>
      Layer.effectContext(Effect.fail(new PortUnavailable({ ...options, cause })))
    ),
    Layer.tap(() => Effect.logInfo("listening", { address: `http://${options.host}:${options.port}` })),
    Layer.merge(tracing)
  )

/** One way to write each path: what tells the API's from the pages', here or in a proxy, must see what the router sees. */
const routerConfig = { caseSensitive: true, ignoreDuplicateSlashes: false, maxParamLength: 255 }

const letGo = Layer.effectDiscard(Effect.flatMap(Followers, ({ end }) => Effect.addFinalizer(() => end)))

/** Serves until the scope closes. Then those who follow are let go, and other requests in flight are waited for. */
export const serve = <A, E, R>(all: Layer.Layer<A, E, R>, options: { readonly host: string; readonly port: number }) =>
  letGo.pipe(
    Layer.provideMerge(HttpRouter.serve(all, { disableLogger: true, disableListenLog: true, routerConfig })),
    Layer.provideMerge(server(options)),
    Layer.provide(Followers.layer)
  )
