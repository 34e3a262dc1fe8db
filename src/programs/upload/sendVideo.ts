/** A file as the body of an upload: read as it is sent, so that its size does not matter. */
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Effect, Redacted, Schema, Stream } from "effect"
import { HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { createReadStream } from "node:fs"
import { stat } from "node:fs/promises"
import { basename } from "node:path"
import { adminHeader } from "../../adapters/worker-api/contract/Auth.ts"
import { VideoWithJob } from "../../adapters/worker-api/contract/Videos.ts"

/** The whole answer: what a refusal means, the caller knows. */
export const sendVideo = Effect.fnUntraced(function* (options: {
  readonly address: string
  readonly secret: Redacted.Redacted
  readonly path: string
  readonly about?: { readonly title?: string; readonly priority?: number }
  /** How many bytes have gone, of how many. */
  readonly sent: (bytes: number, total: number) => Effect.Effect<void>
}) {
  const http = yield* HttpClient.HttpClient
  const { size } = yield* Effect.promise(() => stat(options.path))
  let bytes = 0
  const body = NodeStream.fromReadable({
    evaluate: () => createReadStream(options.path),
    onError: (cause) => cause
  }).pipe(
    Stream.tap((chunk: Uint8Array) => {
      bytes += chunk.length
      return options.sent(bytes, size)
    })
  )
  return yield* HttpClientRequest.post(`${options.address}/api/videos`).pipe(
    HttpClientRequest.setUrlParams({ ...options.about, filename: basename(options.path) }),
    HttpClientRequest.setHeader(adminHeader, Redacted.value(options.secret)),
    HttpClientRequest.setBody(HttpBody.stream(body, "application/octet-stream", size)),
    http.execute
  )
})

export const decodeSent = Schema.decodeUnknownEffect(VideoWithJob)
