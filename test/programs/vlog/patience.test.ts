import { createServer, type AddressInfo } from "node:net"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { inTime } from "../../../src/programs/vlog/Farm.ts"

const silent = Effect.acquireRelease(
  Effect.promise(
    () =>
      new Promise<ReturnType<typeof createServer>>((done) => {
        const server = createServer(() => {}).listen(0, "127.0.0.1", () => done(server))
      })
  ),
  (server) => Effect.sync(() => server.close())
)

it.effect("a server that takes a question and never answers is given up", () =>
  Effect.gen(function* () {
    const server = yield* silent
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const asked = new Promise<void>((done) => server.once("connection", () => done()))
    const asking = yield* HttpClient.get(address).pipe(
      inTime({ address, addressFrom: "--api", secretFrom: "--secret-file" }),
      Effect.flip,
      Effect.forkChild
    )
    yield* Effect.promise(() => asked)
    yield* TestClock.adjust("1 minute")
    const problem = yield* Fiber.join(asking)
    assert.strictEqual(problem._tag, "Unreachable")
    assert.include(problem.message, `${address} (from --api) cannot be reached (no answer within 1 minute)`)
  }).pipe(Effect.scoped, Effect.provide(NodeHttpClient.layerNodeHttp))
)
