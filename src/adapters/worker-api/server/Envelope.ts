/**
 * What every answer of the API has: an id, permission for pages of other sites to read it, and, where nothing was found
 * or something broke, a body that clients of the protocol can read.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Cause, Effect, Exit, Metric } from "effect"
import { Headers, HttpRouter, HttpServerError, HttpServerRequest, HttpServerResponse } from "effect/http"
import { randomUUID } from "node:crypto"
import { announcedBytes } from "../../http/Body.ts"
import { tusVersion, uploadsPath } from "../contract/Resumable.ts"
import { methodsAt, routeAt } from "./KnownRoutes.ts"
import { httpInProgress, observeRequest } from "./Metrics.ts"

const pathOf = (url: string) => url.split(/[?#]/, 1)[0] ?? ""

const isOurs = (path: string) => path === "/metrics" || path.startsWith("/api/") || path.startsWith("/metrics/")

const detail = (status: number, text: string, headers: Readonly<Record<string, string>> = {}) =>
  HttpServerResponse.jsonUnsafe({ detail: text }, { status, headers })

const notRouted = (method: string, path: string) => {
  const methods = methodsAt(path)
  // A path whose method is right is one that cannot be decoded.
  if (methods.length > 0 && !methods.includes(method))
    return detail(405, "Method Not Allowed", { allow: methods.join(", ") })
  return detail(404, "Not Found")
}

/** Clients that know the protocol are sent on, with method and body, as its server does. */
const withoutSlash = (url: string, path: string) => {
  const slashless = path.replace(/\/+$/, "")
  return slashless !== path && methodsAt(slashless).length > 0
    ? HttpServerResponse.empty({ status: 307, headers: { location: slashless + url.slice(path.length) } })
    : null
}

const preflight = (request: HttpServerRequest.HttpServerRequest) =>
  request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined
    ? HttpServerResponse.empty({
        status: 204,
        headers: {
          "access-control-allow-methods": "GET, HEAD, POST, PATCH, DELETE, OPTIONS",
          "access-control-allow-headers": request.headers["access-control-request-headers"] ?? "*",
          "access-control-max-age": "600"
        }
      })
    : null

const isUnrouted = (error: unknown) => HttpServerError.isHttpServerError(error) && error.reason._tag === "RouteNotFound"

const broken = (cause: Cause.Cause<unknown>) =>
  Effect.as(Effect.logError("request failed", Cause.pretty(cause)), detail(500, "Internal Server Error"))

const requestIdPattern = /^[\w\-.]{1,128}$/

const requestIdOf = (request: HttpServerRequest.HttpServerRequest) => {
  const given = request.headers["x-request-id"]
  return given !== undefined && requestIdPattern.test(given) ? given : randomUUID()
}

/** Up to here the rest of a body that nobody wanted is read and dropped, so that the connection can be kept. */
const droppedBytes = 1024 * 1024

/** A large body that was refused is not waited for. */
const unread = (request: HttpServerRequest.HttpServerRequest) => {
  const incoming = NodeHttpServerRequest.toIncomingMessage(request)
  return !incoming.complete && (announcedBytes(request) > droppedBytes || "transfer-encoding" in request.headers)
}

/** Which headers pages of other sites may read. */
const exposed =
  "X-Request-ID, Location, Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, " +
  "Upload-Defer-Length, Upload-Expires, Upload-Length, Upload-Metadata, Upload-Offset"

/** A HEAD that came as a POST is waited for until all of its body is there. */
const withoutBody = ({ headers, status }: HttpServerResponse.HttpServerResponse) =>
  HttpServerResponse.empty({ status, headers: Headers.removeMany(headers, ["content-length", "content-type"]) })

const answered = (path: string, id: string) =>
  HttpServerResponse.setHeaders({
    "x-request-id": id,
    "access-control-allow-origin": "*",
    "access-control-expose-headers": exposed,
    "x-content-type-options": "nosniff",
    ...(path.startsWith(uploadsPath) ? { "tus-resumable": tusVersion, "tus-version": tusVersion } : {}),
    ...(path.startsWith("/api/") ? { "cache-control": "no-store" } : {})
  })

const wrapped = Effect.fnUntraced(function* <E, R>(
  handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
  request: HttpServerRequest.HttpServerRequest,
  path: string
) {
  const id = requestIdOf(request)
  const started = performance.now()
  yield* Metric.modify(httpInProgress, 1)
  const direct =
    preflight(request) ??
    withoutSlash(request.url, path) ??
    // No name has it, and the database would look for the name without it.
    (request.url.includes("%00") ? detail(400, "The address must not contain %00") : null) ??
    (request.method === "HEAD" && !methodsAt(path).includes("HEAD") ? notRouted(request.method, path) : null)
  const exit = yield* (direct === null ? handler : Effect.succeed(direct)).pipe(
    Effect.catchCause((cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
      const error = Cause.squash(cause)
      return isUnrouted(error) ? Effect.succeed(notRouted(request.method, path)) : broken(cause)
    }),
    Effect.annotateLogs({ request: id }),
    Effect.onExit(() => Metric.modify(httpInProgress, -1)),
    Effect.exit
  )
  if (Exit.isFailure(exit)) return yield* Effect.failCause(exit.cause)
  yield* observeRequest({
    method: request.method,
    endpoint: routeAt(path),
    status: exit.value.status,
    seconds: (performance.now() - started) / 1000
  })
  const answer = answered(path, id)(request.method === "HEAD" ? withoutBody(exit.value) : exit.value)
  const { status } = exit.value
  return status === 408 || (status >= 400 && unread(request))
    ? HttpServerResponse.setHeader(answer, "connection", "close")
    : answer
})

/** Pages and media of viewers pass through untouched. */
export const envelope = HttpRouter.middleware(
  (handler) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
      const path = pathOf(request.url)
      return isOurs(path) ? wrapped(handler, request, path) : handler
    }),
  { global: true }
)
