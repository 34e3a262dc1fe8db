/** Sends a file by tus, and goes on where it was cut: in this run as long as there is progress, and in the next one. */
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Clock, DateTime, Duration, Effect, Option, Redacted, Schema, Stream, identity } from "effect"
import { Headers, HttpBody, HttpClientRequest, type HttpClientResponse, type HttpMethod } from "effect/http"
import { createReadStream } from "node:fs"
import { basename } from "node:path"
import { adminHeader } from "../../adapters/worker-api/contract/Auth.ts"
import { tusVersion, uploadsPath, uploadType } from "../../adapters/worker-api/contract/Resumable.ts"
import type { VideoWithJob } from "../../adapters/worker-api/contract/Videos.ts"
import { UploadId } from "../../domain/ids.ts"
import { ask, Farm, inTime } from "./Farm.ts"
import { type About, fingerprintOf } from "./fingerprint.ts"
import {
  byStatus,
  type Origin,
  type Problem,
  Refused,
  strange,
  toProblem,
  Unreachable,
  unreachable,
  type WireError
} from "./problems.ts"

type Sent = typeof VideoWithJob.Type

/** An API that is started anew is away for a moment, and a replica that died keeps its uploads to itself for as long. */
const patience = Duration.minutes(5)
const longestWait = Duration.seconds(10)

const metadataOf = (values: Readonly<Record<string, string | number | undefined>>) =>
  Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} ${Buffer.from(String(value)).toString("base64")}`)
    .join(",")

const isUploadId = Schema.is(UploadId)
const detailOf = Schema.decodeUnknownOption(Schema.Struct({ detail: Schema.String }))

/** Is worth another try: it may have been the network, a restart, or another request that is about to end. */
const mayPass = (problem: Problem) => problem._tag === "Unreachable" || problem._tag === "Busy"

/** It is older than they are, or another program, or what lies before it does not let them through. */
const hasNoUploads = (error: WireError) =>
  error._tag === "HttpClientError" && (error.response?.status === 404 || error.response?.status === 405)

const withoutUploads = ({ address, addressFrom }: Origin) =>
  new Refused({
    problem:
      `${address} (from ${addressFrom}) takes no resumable uploads: there is nothing at ${uploadsPath}. Is it an older ` +
      `vlog, or does a proxy hide that path? In one request, POST ${address}/api/videos?filename=... takes the file`
  })

const offsetIn = (headers: Headers.Headers) =>
  Number(Option.getOrElse(Headers.get(headers, "upload-offset"), () => "0"))

/** How far an upload is, as far as is known. */
interface Course {
  readonly id: UploadId | null
  /** How much of it is there; null before it is asked, and after every trouble. */
  readonly offset: number | null
  /** How much was there before this run; null before it is known. */
  readonly began: number | null
  /** The most that was ever there, and when that was seen, in milliseconds. */
  readonly reached: number
  readonly movedAt: number
  readonly expires: DateTime.Utc | null
  /** How often it was tried again since. */
  readonly tries: number
}

interface Looked extends Course {
  readonly id: UploadId
  readonly offset: number
  readonly began: number
}

const isLooked = (course: Course): course is Looked => course.offset !== null

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
      Effect.mapError((error) => unreachable(farm, error.reason)),
      // What is sent takes as long as it takes.
      body === HttpBody.empty ? inTime(farm) : identity
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
    const id = location.slice(location.lastIndexOf("/") + 1)
    return isUploadId(id) ? id : yield* strange(farm, `it made an upload at "${location}"`)
  })

  const changed = Effect.promise(() =>
    fingerprintOf(path, about).then(
      (now) => now.fingerprint !== fingerprint,
      () => true
    )
  )

  /** One that was changed meanwhile would be a mixture of both. */
  const assertUnchanged = Effect.fnUntraced(function* (id: UploadId) {
    if (!(yield* changed)) return
    yield* Effect.ignore(request("DELETE", `${uploadsPath}/${id}`, {}))
    return yield* new Refused({
      problem: `${name} was changed while it was being uploaded: upload it again when nothing writes to it any more`
    })
  })

  const add = ({ began, id, offset }: Looked) => {
    let bytes = offset
    const body = NodeStream.fromReadable({
      evaluate: () => createReadStream(path, { start: offset }),
      onError: (cause) => cause
    }).pipe(
      Stream.tap((chunk: Uint8Array) => {
        bytes += chunk.length
        return Effect.andThen(bytes < size ? Effect.void : assertUnchanged(id), sent(bytes, began))
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

  const open = farm.client.resumable.list({ query: { fingerprint, limit: 1 } }).pipe(
    Effect.mapError((error) => (hasNoUploads(error) ? withoutUploads(farm) : toProblem(farm)(error))),
    Effect.map(({ uploads }) => uploads[0])
  )

  const identify = Effect.fnUntraced(function* (course: Course) {
    const found = yield* open
    if (found === undefined) return { ...course, id: yield* create }
    yield* tell(`${name}: going on at ${percent(found.received)} of an earlier upload`)
    return { ...course, id: found.id }
  })

  const look = Effect.fnUntraced(function* (course: Course, id: UploadId) {
    yield* assertUnchanged(id)
    const { headers } = yield* request("HEAD", `${uploadsPath}/${id}`, {})
    const offset = offsetIn(headers)
    const looked: Looked = {
      ...course,
      id,
      offset,
      began: course.began ?? offset,
      expires: Option.getOrNull(Option.flatMap(Headers.get(headers, "upload-expires"), DateTime.make))
    }
    return offset > course.reached
      ? { ...looked, reached: offset, movedAt: yield* Clock.currentTimeMillis, tries: 0 }
      : looked
  })

  const finish = Effect.fnUntraced(function* (course: Looked) {
    yield* add(course)
    const { video } = yield* ask((api) => api.resumable.show({ params: { upload_id: course.id } }))
    return video ?? (yield* new Unreachable({ problem: `${farm.address} has all of ${name} and no video of it yet` }))
  })

  const again = Effect.fnUntraced(function* (course: Course, problem: Problem) {
    // It expired, or what was there of it is gone.
    const isGone = problem._tag === "NotThere"
    if (!isGone && !mayPass(problem)) return yield* problem
    if (isGone && course.id !== null) yield* Effect.ignore(request("DELETE", `${uploadsPath}/${course.id}`, {}))
    if ((yield* Clock.currentTimeMillis) - course.movedAt > Duration.toMillis(patience)) {
      const until = course.expires === null ? "" : ` until ${DateTime.formatIso(course.expires)}`
      return yield* new Unreachable({
        problem: `${problem.message}\nWhat has arrived of ${name} is kept${until}: the same command goes on with it`
      })
    }
    yield* tell(`${name}: ${problem.message}; trying again`)
    yield* Effect.sleep(Duration.min(Duration.seconds(2 ** Math.min(course.tries, 5)), longestWait))
    return { ...course, id: isGone ? null : course.id, offset: null, tries: course.tries + 1 }
  })

  const go = (course: Course): Effect.Effect<Sent, Problem, Farm> => {
    if (isLooked(course)) {
      return Effect.catch(finish(course), (problem) => Effect.flatMap(again(course, problem), go))
    }
    const next: Effect.Effect<Course, Problem> = course.id === null ? identify(course) : look(course, course.id)
    return Effect.flatMap(
      Effect.catch(next, (problem) => again(course, problem)),
      go
    )
  }

  const movedAt = yield* Clock.currentTimeMillis
  return yield* go({ id: null, offset: null, began: null, reached: -1, movedAt, expires: null, tries: 0 })
})
