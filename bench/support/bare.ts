/**
 * What our Worker API is measured against: as little as can be between the socket and the answer. A program of its own, so
 * that its cost can be told from that of the client.
 *
 *     node bench/support/bare.ts node|node-sha256|fastify FOLDER     prints its port
 */
import { createHash, randomUUID } from "node:crypto"
import { createWriteStream } from "node:fs"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { Transform } from "node:stream"
import { pipeline } from "node:stream/promises"
import Fastify from "fastify"

const [, , kind = "node", folder = "."] = process.argv

/** A heartbeat's answer. */
const answer = { status: "ok", server_time: new Date(0).toISOString(), required_version: null, version_ok: null }

const toDisk = async (request: IncomingMessage) => {
  const file = createWriteStream(join(folder, randomUUID()), { flush: true })
  if (kind !== "node-sha256") return pipeline(request, file)
  const hash = createHash("sha256")
  const hashing = new Transform({
    transform: (chunk: Buffer, _, done) => {
      hash.update(chunk)
      done(null, chunk)
    }
  })
  await pipeline(request, hashing, file)
  hash.digest("hex")
}

const readJson = async (request: IncomingMessage) => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString()) as unknown
}

const listenNode = () =>
  createServer({ requestTimeout: 0 }, (request, response) => {
    const ended = () => {
      const text = JSON.stringify(answer)
      response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
      response.end(text)
    }
    if (request.method === "GET") return ended()
    const isJson = request.headers["content-type"] === "application/json"
    void (isJson ? readJson(request) : toDisk(request)).then(ended)
  }).listen(0, "127.0.0.1", function (this: { address(): unknown }) {
    console.log((this.address() as AddressInfo).port)
  })

const listenFastify = async () => {
  const app = Fastify()
  app.get("/*", async () => answer)
  app.post("/*", async () => answer)
  await app.listen({ port: 0, host: "127.0.0.1" })
  console.log((app.server.address() as AddressInfo).port)
}

await (kind === "fastify" ? listenFastify() : listenNode())
