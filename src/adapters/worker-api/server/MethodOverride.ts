/**
 * `X-HTTP-Method-Override` of tus: the method that is meant, from clients behind something that lets only some through.
 * It counts instead of the real one, for resumable uploads and nowhere else.
 */
import type { IncomingMessage, Server } from "node:http"
import { uploadsPath } from "../contract/Resumable.ts"

const override = (request: IncomingMessage) => {
  const method = request.headers["x-http-method-override"]
  if (typeof method === "string" && request.url?.startsWith(uploadsPath) === true) request.method = method.toUpperCase()
}

export const overriding = <S extends Server>(server: S): S => server.prependListener("request", override)
