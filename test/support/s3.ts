/** A real server of S3's protocol on a free port, with one bucket in a folder that goes away again. */
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import S3rver from "@20minutes/s3rver"
import { Context, Effect, Layer } from "effect"

interface Shape {
  readonly bucket: string
  readonly endpoint: string
  /** Where the server keeps what is in the bucket. */
  readonly folder: string
  /** Each request so far, as in `PUT /bucket/name`. */
  readonly requests: Array<string>
  /** Answers a request in the server's place: with this status, or by breaking the connection. */
  fault: (request: string) => number | "break" | undefined
}

export class TestS3 extends Context.Service<TestS3, Shape>()("vlog/test/support/s3/TestS3") {
  static readonly layer = Layer.effect(
    TestS3,
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "vlog-s3-"))),
        (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
      )
      const bucket = "vlog-copies"
      const s3 = new S3rver({
        silent: true,
        directory: folder,
        // It reckons with another path than the client where a whole bucket is meant.
        allowMismatchedSignatures: true,
        configureBuckets: [{ name: bucket, configs: [] }]
      })
      yield* Effect.promise(() => s3.configureBuckets())
      const answer = s3.callback()
      const shape: Shape = { bucket, endpoint: "", folder: join(folder, bucket), requests: [], fault: () => undefined }
      const server = createServer((incoming, response) => {
        const request = `${incoming.method} ${incoming.url}`
        shape.requests.push(request)
        const fault = shape.fault(request)
        if (fault === undefined) return void answer(incoming, response)
        if (fault === "break") return void incoming.socket.destroy()
        response.writeHead(fault).end()
      })
      yield* Effect.acquireRelease(
        Effect.promise(() => new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening))),
        () => Effect.sync(() => server.closeAllConnections())
      )
      yield* Effect.addFinalizer(() =>
        Effect.promise(() => new Promise<void>((closed) => server.close(() => closed())))
      )
      return Object.assign(shape, { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
    })
  )
}

/** What its only user is called, and the same again as the secret. */
export const s3Credentials = { AWS_ACCESS_KEY_ID: "S3RVER", AWS_SECRET_ACCESS_KEY: "S3RVER" }
