/** How a contract's calls get to a server: below its address, with the caller's credentials on each. */
import { Effect, Layer, Redacted } from "effect"
import { HttpClient, HttpClientError, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { HttpApiMiddleware } from "effect/http-api"
import { AdminAuth, adminHeader, keyHeader, WorkerAuth } from "../contract/Auth.ts"
import { codeOf } from "../../process/causes.ts"

export interface Credentials {
  readonly workerKey?: Redacted.Redacted
  readonly adminSecret?: Redacted.Redacted
}

const withSecret =
  (header: string, secret: Redacted.Redacted | undefined) => (request: HttpClientRequest.HttpClientRequest) =>
    secret === undefined ? request : HttpClientRequest.setHeader(request, header, Redacted.value(secret))

/**
 * A proxy's error is a page, or breaks off. The generated client compares the failure to decode it with its own, which
 * reads the body once more and dies of it (effect 4.1.0): such an answer must not get that far.
 */
const refuseForeignError = (response: HttpClientResponse.HttpClientResponse) =>
  response.status < 400
    ? Effect.succeed(response)
    : response.json.pipe(
        Effect.as(response),
        Effect.mapError(
          () =>
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.StatusCodeError({ request: response.request, response })
            })
        )
      )

/** The client whose requests go below `address`. */
export const clientAt = (address: string) => (client: HttpClient.HttpClient) =>
  client.pipe(
    HttpClient.mapRequest(HttpClientRequest.prependUrl(address)),
    HttpClient.transformResponse(Effect.flatMap(refuseForeignError))
  )

export const signed = (credentials: Credentials) =>
  Layer.mergeAll(
    HttpApiMiddleware.layerClient(WorkerAuth, ({ next, request }) =>
      next(withSecret(keyHeader, credentials.workerKey)(request))
    ),
    HttpApiMiddleware.layerClient(AdminAuth, ({ next, request }) =>
      next(withSecret(adminHeader, credentials.adminSecret)(request))
    )
  )

/** For a proxy in front of the API that wants one (HTTP Basic). */
export interface Login {
  readonly name: string
  readonly password: Redacted.Redacted
}

export const loggedIn = (login: Login | null) =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) =>
      login === null ? client : HttpClient.mapRequest(client, HttpClientRequest.basicAuth(login.name, login.password))
    )
  )

/** `ECONNREFUSED` and the like lie at the bottom of a chain of causes. */
export const rootCause = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  if (error.cause !== undefined) return rootCause(error.cause)
  return codeOf(error) ?? error.message
}
