/**
 * `X-HTTP-Method-Override` of tus: the method that is meant, from clients behind something that lets only some through.
 * It counts instead of the real one, for resumable uploads and nowhere else.
 */
import { type IncomingMessage, METHODS, type Server } from "node:http"
import { uploadsPath } from "../contract/Resumable.ts"

/** Others are ignored: each would be a series of its own in the metrics. */
const known: ReadonlySet<string> = new Set(METHODS)

const override = (request: IncomingMessage) => {
  const method = String(request.headers["x-http-method-override"]).toUpperCase()
  if (known.has(method) && request.url?.startsWith(uploadsPath) === true) request.method = method
}

export const overriding = <S extends Server>(server: S): S => server.prependListener("request", override)
