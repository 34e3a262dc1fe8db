/** A file of the disk as an HTTP answer: ranges, validators and caching (RFC 9110 sections 8.8, 13 and 14). */
import { Effect, Option } from "effect"
import { type Headers, HttpServerRequest, HttpServerResponse } from "effect/http"
import { stat } from "node:fs/promises"
import { parseRange } from "./Range.ts"

/** Null where there is no such file. `etag` with its quotes. */
export const fileResponse = Effect.fnUntraced(function* (options: {
  readonly path: string
  readonly etag: string
  readonly contentType: string
  readonly headers: Readonly<Record<string, string>>
}) {
  const request = yield* HttpServerRequest.HttpServerRequest
  const found = yield* Effect.option(Effect.tryPromise(() => stat(options.path)))
  if (Option.isNone(found) || !found.value.isFile()) return null
  const { size } = found.value
  const headers = {
    ...options.headers,
    etag: options.etag,
    "accept-ranges": "bytes",
    "x-content-type-options": "nosniff"
  }
  if (isKnown(request.headers["if-none-match"], options.etag)) return HttpServerResponse.empty({ status: 304, headers })

  const range = parseRange(asksForPart(request.headers, options.etag) ? request.headers["range"] : undefined, size)
  if (range._tag === "Unsatisfiable") {
    return HttpServerResponse.empty({ status: 416, headers: { ...headers, "content-range": `bytes */${size}` } })
  }
  const part =
    range._tag === "Part"
      ? {
          status: 206,
          offset: range.start,
          bytesToRead: range.end - range.start + 1,
          headers: { ...headers, "content-range": `bytes ${range.start}-${range.end}/${size}` }
        }
      : { headers }
  const answer = yield* Effect.orDie(
    HttpServerResponse.file(options.path, { contentType: options.contentType, ...part })
  )
  // The platform answers with a validator of its own, made of size and time.
  return HttpServerResponse.setHeader(answer, "etag", options.etag)
})

/** Compared weakly, one of several or `*`: a proxy that compresses weakens what it was given. */
const isKnown = (condition: string | undefined, etag: string) =>
  condition?.split(",").some((one) => ["*", etag].includes(one.trim().replace(/^W\//, ""))) ?? false

/** A range of another version of the file would be glued to the wrong bytes. */
const asksForPart = (headers: Headers.Headers, etag: string) => {
  const condition = headers["if-range"]
  return condition === undefined || condition === etag
}
