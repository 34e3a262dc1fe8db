/** A server on a port of its own that answers as a test wants, and not as the Worker API does. */
import { Effect } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** Its address. `answer` is asked when the whole request is here. */
export const stubServer = (answer: (response: ServerResponse, request: IncomingMessage) => void) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer((request, response) => {
        request.resume()
        request.once("end", () => answer(response, request))
      }).listen(0, "127.0.0.1")
      await new Promise((listening) => server.once("listening", listening))
      return server
    }),
    (server) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))
