/** Puts a file into the farm by its HTTP interface, once. */
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Effect, Redacted, Schema, Stream } from "effect"
import { HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import { basename } from "node:path"
import { pipeline } from "node:stream/promises"
import type { makeClient } from "../../adapters/worker-api/client/Client.ts"
import { adminHeader } from "../../adapters/worker-api/contract/Auth.ts"
import { VideoWithJob } from "../../adapters/worker-api/contract/Videos.ts"
import { Sha256 } from "../../domain/ids.ts"
import { startError } from "./StartError.ts"

const digest = (path: string) =>
  Effect.tryPromise({
    try: async () => {
      const hash = createHash("sha256")
      await pipeline(createReadStream(path), hash)
      return Sha256.make(hash.digest("hex"))
    },
    catch: (cause) => startError(`${path} cannot be read: ${String(cause)}`)
  })

const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`

export interface Farm {
  readonly address: string
  readonly adminSecret: Redacted.Redacted
  readonly client: Effect.Success<ReturnType<typeof makeClient>>
}

type Say = (line: string) => Effect.Effect<void>

/** Says each tenth of what takes a while. */
const announcing = (name: string, total: number, say: Say) => {
  let sent = 0
  let told = 0
  return (chunk: Uint8Array) => {
    sent += chunk.length
    const tenth = Math.floor((sent / total) * 10)
    if (total < 50e6 || tenth === told) return Effect.void
    told = tenth
    return say(`${name}: uploaded ${megabytes(sent)} of ${megabytes(total)}`)
  }
}

const decodeSent = Schema.decodeUnknownEffect(VideoWithJob)

/** Read as it is sent, so that its size does not matter. */
const send = Effect.fnUntraced(function* ({ address, adminSecret }: Farm, path: string, say: Say) {
  const http = yield* HttpClient.HttpClient
  const name = basename(path)
  const { size } = yield* Effect.promise(() => stat(path))
  const body = NodeStream.fromReadable({ evaluate: () => createReadStream(path), onError: (cause) => cause }).pipe(
    Stream.tap(announcing(name, size, say))
  )
  const response = yield* HttpClientRequest.post(`${address}/api/videos`).pipe(
    HttpClientRequest.setUrlParams({ filename: name }),
    HttpClientRequest.setHeader(adminHeader, Redacted.value(adminSecret)),
    HttpClientRequest.setBody(HttpBody.stream(body, "application/octet-stream", size)),
    http.execute
  )
  if (response.status !== 201) return yield* startError(`${name} was refused: ${yield* response.text}`)
  return yield* decodeSent(yield* response.json)
})

/** The same bytes are never uploaded twice: what was there is gone on with. */
export const upload = Effect.fnUntraced(
  function* (farm: Farm, path: string, say: Say) {
    const sha256 = yield* digest(path)
    const known = yield* farm.client.videos.list({ query: { sha256, limit: 1 } })
    const [found] = known.videos
    if (found !== undefined && found.job?.status !== "failed" && found.job?.status !== "cancelled") return found
    return yield* send(farm, path, say)
  },
  Effect.mapError((error) =>
    error._tag === "StartError" ? error : startError(`The upload did not work: ${error.message}`)
  )
)
