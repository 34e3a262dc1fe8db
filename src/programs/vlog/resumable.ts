/** Sends a file by tus, and goes on where it was cut: in this run as long as there is progress, and in the next one. */
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Clock, DateTime, Duration, Effect, Option, Redacted, Result, Schema, Stream } from "effect"
import { Headers, HttpBody, HttpClientRequest, type HttpClientResponse, type HttpMethod } from "effect/http"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { open, stat } from "node:fs/promises"
import { basename } from "node:path"
import { adminHeader } from "../../adapters/worker-api/contract/Auth.ts"
import { tusVersion, uploadsPath, uploadType } from "../../adapters/worker-api/contract/Resumable.ts"
import { ask, Farm } from "./Farm.ts"
import { byStatus, type Problem, Refused, Unreachable, unreachable } from "./problems.ts"

export interface About {
  readonly title?: string
  readonly priority?: number
}

/** An API that is started anew is away for a moment, and a replica that died keeps its uploads to itself for as long. */
const patience = Duration.minutes(5)
const longestWait = Duration.seconds(10)

const ends = 1024 * 1024

/** Whatever tells this file from another, or from itself after a change, and what is wanted of it. */
const fingerprintOf = async (path: string, about: About) => {
  const { mtimeMs, size } = await stat(path)
  const hash = createHash("sha256").update(JSON.stringify([basename(path), size, mtimeMs, about]))
  const file = await open(path)
  try {
    for (const at of [0, Math.max(0, size - ends)]) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(ends), 0, ends, at)
      hash.update(buffer.subarray(0, bytesRead))
    }
  } finally {
    await file.close()
  }
  return { size, fingerprint: hash.digest("hex") }
}

const metadataOf = (values: Readonly<Record<string, string | number | undefined>>) =>
  Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} ${Buffer.from(String(value)).toString("base64")}`)
    .join(",")

const detailOf = Schema.decodeUnknownOption(Schema.Struct({ detail: Schema.String }))

/** Is worth another try: it may have been the network, a restart, or another request that is about to end. */
const mayPass = (problem: Problem) => problem._tag === "Unreachable" || problem._tag === "Busy"

const offsetIn = (headers: Headers.Headers) =>
  Number(Option.getOrElse(Headers.get(headers, "upload-offset"), () => "0"))

/** With the video that it became. `tell`: what a person should know beside `sent`. */
export const sendResumable = Effect.fnUntraced(function* (options: {
  readonly path: string
  readonly about: About
  /** How many bytes are there, and how many were before this run. */
  readonly sent: (bytes: number, before: number) => Effect.Effect<void>
  readonly tell: (line: string) => Effect.Effect<void>
}) {
  const { about, path, sent, tell } = options
  const farm = yield* Farm
  const name = basename(path)
  const { fingerprint, size } = yield* Effect.promise(() => fingerprintOf(path, about))
  const percent = (bytes: number) => `${Math.floor((bytes / size) * 100)} %`

  let upload: string | undefined
  let began: number | undefined
  let reached = -1
  let moved = yield* Clock.currentTimeMillis
  let expires: DateTime.Utc | undefined

  const request = Effect.fnUntraced(function* (
    method: HttpMethod.HttpMethod,
    path: string,
    headers: Readonly<Record<string, string>>,
    body: HttpBody.HttpBody = HttpBody.empty
  ): Effect.fn.Return<HttpClientResponse.HttpClientResponse, Problem> {
    const answer = yield* HttpClientRequest.make(method)(`${farm.address}${path}`).pipe(
      HttpClientRequest.setHeaders({
        ...headers,
        [adminHeader]: Redacted.value(farm.secret),
        "tus-resumable": tusVersion
      }),
      HttpClientRequest.setBody(body),
      farm.http.execute,
      Effect.mapError((error) => unreachable(farm, error.reason))
    )
    if (answer.status < 300) return answer
    const detail = Option.match(detailOf(yield* Effect.orElseSucceed(answer.json, () => null)), {
      onNone: () => `status ${answer.status}`,
      onSome: ({ detail }) => detail
    })
    if (answer.status === 409 || answer.status === 423) {
      return yield* new Unreachable({ problem: `${farm.address}: ${detail}` })
    }
    return yield* byStatus(farm, answer.status, `${name} was refused: ${detail}`)
  })

  const create = Effect.gen(function* () {
    const { headers } = yield* request("POST", uploadsPath, {
      "upload-length": String(size),
      "upload-metadata": metadataOf({ filename: name, fingerprint, ...about })
    })
    const location = Option.getOrElse(Headers.get(headers, "location"), () => "")
    return location.slice(location.lastIndexOf("/") + 1)
  })

  const changed = Effect.promise(() =>
    fingerprintOf(path, about).then(
      (now) => now.fingerprint !== fingerprint,
      () => true
    )
  )

  /** One that was changed meanwhile would be a mixture of both. */
  const assertUnchanged = Effect.fnUntraced(function* (id: string) {
    if (!(yield* changed)) return
    yield* Effect.ignore(request("DELETE", `${uploadsPath}/${id}`, {}))
    return yield* new Refused({
      problem: `${name} was changed while it was being uploaded: upload it again when nothing writes to it any more`
    })
  })

  const add = (id: string, offset: number) => {
    let bytes = offset
    const body = NodeStream.fromReadable({
      evaluate: () => createReadStream(path, { start: offset }),
      onError: (cause) => cause
    }).pipe(
      Stream.tap((chunk: Uint8Array) => {
        bytes += chunk.length
        return Effect.andThen(bytes < size ? Effect.void : assertUnchanged(id), sent(bytes, began ?? 0))
      })
    )
    return request(
      "PATCH",
      `${uploadsPath}/${id}`,
      { "upload-offset": String(offset) },
      offset < size
        ? HttpBody.stream(body, uploadType, size - offset)
        : HttpBody.uint8Array(new Uint8Array(), uploadType)
    )
  }

  const open = ask((api) => api.resumable.list({ query: { fingerprint, limit: 1 } })).pipe(
    Effect.map(({ uploads }) => uploads[0])
  )

  const once = Effect.gen(function* () {
    if (upload === undefined) {
      const found = yield* open
      if (found !== undefined) yield* tell(`${name}: going on at ${percent(found.received)} of an earlier upload`)
      upload = found?.id ?? (yield* create)
    }
    const id = upload
    yield* assertUnchanged(id)
    const { headers } = yield* request("HEAD", `${uploadsPath}/${id}`, {})
    const offset = offsetIn(headers)
    expires = Option.getOrUndefined(Option.flatMap(Headers.get(headers, "upload-expires"), DateTime.make))
    began ??= offset
    if (offset > reached) {
      reached = offset
      moved = yield* Clock.currentTimeMillis
    }
    yield* add(id, offset)
    const { video } = yield* ask((api) => api.resumable.show({ params: { upload_id: id as never } }))
    return video ?? (yield* new Unreachable({ problem: `${farm.address} has all of ${name} and no video of it yet` }))
  }).pipe(
    // It expired, or what was there of it is gone.
    Effect.catchTag(
      "NotThere",
      Effect.fnUntraced(function* (problem) {
        if (upload !== undefined) yield* Effect.ignore(request("DELETE", `${uploadsPath}/${upload}`, {}))
        upload = undefined
        return yield* new Unreachable({ problem: problem.problem })
      })
    )
  )

  for (let tries = 0; ; tries++) {
    const before = reached
    const result = yield* Effect.result(once)
    if (Result.isSuccess(result)) return result.success
    const problem = result.failure
    if (!mayPass(problem)) return yield* problem
    const now = yield* Clock.currentTimeMillis
    if (now - moved > Duration.toMillis(patience)) {
      const until = expires === undefined ? "" : ` until ${DateTime.formatIso(expires)}`
      return yield* new Unreachable({
        problem: `${problem.message}\nWhat has arrived of ${name} is kept${until}: the same command goes on with it`
      })
    }
    if (reached > before) tries = 0
    yield* tell(`${name}: ${problem.message}; trying again`)
    yield* Effect.sleep(Duration.min(Duration.seconds(2 ** Math.min(tries, 5)), longestWait))
  }
})
