/** Which requests are traced, by which name, and below which span. */
import { Effect, Layer, References, Schema } from "effect"
import { HttpMiddleware, HttpRouter, HttpServerRequest } from "effect/http"
import type { IncomingMessage, Server } from "node:http"
import { LeaseId } from "../../../domain/ids.ts"
import { attemptTrace, spanOf, Traceparent, Tracestate } from "../../../domain/telemetry/TraceContext.ts"
import { leaseHeader } from "../contract/Auth.ts"
import { routeAt } from "./KnownRoutes.ts"

const pathOf = (url: string) => url.split(/[?#]/, 1)[0] ?? ""

const isLease = Schema.is(LeaseId)
const isTraceparent = Schema.is(Traceparent)

/** What the request brought before it was given to its attempt. */
const callerHeader = "x-vlog-caller-traceparent"

/**
 * A worker that is killed never tells of the call that it was in. So what it asks for an attempt hangs below the
 * attempt, of which we tell ourselves, with a link to the call.
 */
const giveToAttempt = ({ headers }: IncomingMessage) => {
  delete headers[callerHeader]
  const { traceparent } = headers
  const lease = headers[leaseHeader]
  if (!isLease(lease) || !isTraceparent(traceparent)) return
  headers[callerHeader] = traceparent
  headers["traceparent"] = attemptTrace({ traceparent, tracestate: null }, lease).traceparent
}

export const adopting = <S extends Server>(server: S): S => server.prependListener("request", giveToAttempt)

/** Nobody wants to see these. */
const probes: ReadonlySet<string> = new Set(["/health", "/api/health", "/metrics"])

/** Sent every few seconds by every worker, or for each of the many parts of a film: traced when the caller traces them. */
const frequent = new Set(
  ["heartbeat", "claim", "{job_id}/progress", "upload/{video_id}/segment/{quality}/{filename}"].map(
    (route) => `/api/worker/${route}`
  )
)

const isTraced = (request: HttpServerRequest.HttpServerRequest): boolean => {
  const path = pathOf(request.url)
  if (probes.has(path)) return false
  // A caller that traces nothing sends one that is none.
  if (isTraceparent(request.headers["traceparent"])) return true
  return path.startsWith("/api/") && !frequent.has(routeAt(path))
}

/** For the server: whether there is a span for a request, and its name. */
export const tracing = Layer.mergeAll(
  Layer.succeed(HttpMiddleware.TracerDisabledWhen)((request) => !isTraced(request)),
  Layer.succeed(HttpMiddleware.SpanNameGenerator)(({ method, url }) => {
    const route = routeAt(pathOf(url))
    return route === "unknown" ? method : `${method} ${route}`
  })
)

const linkTo = (traceparent: string) =>
  Effect.ignore(
    Effect.map(Effect.currentSpan, (span) => span.addLinks([{ span: spanOf({ traceparent }), attributes: {} }]))
  )

/** For the routes: what a request that is not traced does is not traced either, and what the caller wants handed on is. */
export const continued = HttpRouter.middleware(
  (handler) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      if (!isTraced(request)) return Effect.provideService(handler, References.TracerEnabled, false)
      const caller = request.headers[callerHeader]
      const link = isTraceparent(caller) ? linkTo(caller) : Effect.void
      return Effect.andThen(link, Effect.provideService(handler, Tracestate, request.headers["tracestate"] ?? null))
    }),
  { global: true }
)
