/** A source, fetched so that a broken connection costs only what had not arrived. */
import { Duration, Effect, type Redacted, Ref, Stream } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { createHash, type Hash } from "node:crypto"
import { type FileHandle, open } from "node:fs/promises"
import type { ClaimedTask } from "../../../domain/ports/JobStore.ts"
import { type ApiError, ApiRefused, ApiUnavailable } from "../../../domain/ports/WorkerApi.ts"
import { WorkspaceError } from "../../../domain/ports/Workspace.ts"
import { isFull, messageOf } from "../../process/causes.ts"
import { errorOfStatus } from "./Errors.ts"
import { again, answered } from "./Patience.ts"

/** Without a byte for so long, a connection is taken for dead. */
const stallTimeout = Duration.seconds(30)

const diskProblem = (path: string) => (cause: unknown) =>
  new WorkspaceError({
    ...(isFull(cause) ? { reason: "full" } : {}),
    problem: `${path} cannot be written: ${messageOf(cause)}`
  })

interface Arrived {
  readonly bytes: number
  readonly hash: Hash
}

const nothing = (): Arrived => ({ bytes: 0, hash: createHash("sha256") })

/** 206 with the range that was asked for goes on where the last try ended; 200 is the whole file again. */
const startOf = (status: number, contentRange: string | undefined, wanted: number): number | null => {
  if (status === 200) return 0
  return status === 206 && contentRange?.startsWith(`bytes ${wanted}-`) === true ? wanted : null
}

const fetchRest = Effect.fnUntraced(
  function* (
    client: HttpClient.HttpClient,
    address: string,
    request: HttpClientRequest.HttpClientRequest,
    file: FileHandle,
    arrived: Ref.Ref<Arrived>,
    { path, tell }: { readonly path: string; tell(bytes: number): Effect.Effect<void> }
  ) {
    const before = yield* Ref.get(arrived)
    const response = yield* client
      .execute(before.bytes === 0 ? request : HttpClientRequest.setHeader(request, "range", `bytes=${before.bytes}-`))
      .pipe(answered(address, stallTimeout))
    const start = startOf(response.status, response.headers["content-range"], before.bytes)
    if (start === null)
      return yield* errorOfStatus(response.status, `${address} answers a download with status ${response.status}`)
    let { bytes, hash } = start === 0 ? nothing() : before
    yield* response.stream.pipe(
      Stream.timeoutOrElse({
        duration: stallTimeout,
        orElse: () => Stream.fail(new ApiUnavailable({ problem: `${address} sends nothing any more` }))
      }),
      Stream.runForEach(
        Effect.fnUntraced(function* (chunk) {
          yield* Effect.tryPromise({ try: () => file.write(chunk, 0, chunk.length, bytes), catch: diskProblem(path) })
          hash.update(chunk)
          bytes += chunk.length
          yield* Ref.set(arrived, { bytes, hash })
          yield* tell(bytes)
        })
      )
    )
  },
  Effect.catchTag("HttpClientError", (error) =>
    Effect.fail(new ApiUnavailable({ problem: `The download broke: ${error.message}` }))
  )
)

/** Patience begins anew with what arrives: a line that breaks each minute brings a large source too. */
const whileItMoves = Effect.fnUntraced(function* <A>(
  rest: Effect.Effect<A, ApiError | WorkspaceError>,
  arrived: Ref.Ref<Arrived>
) {
  while (true) {
    const before = yield* Ref.get(arrived)
    const brokeAgain = again(
      Effect.catchTag(rest, "ApiUnavailable", (error) =>
        Effect.flatMap(Ref.get(arrived), ({ bytes }) => (bytes > before.bytes ? Effect.succeed(null) : error))
      )
    )
    if ((yield* brokeAgain) !== null) return
    yield* Effect.sleep("500 millis")
  }
})

export const download = Effect.fn("WorkerApi.download")(function* (options: {
  readonly client: HttpClient.HttpClient
  readonly address: string
  readonly headers: Readonly<Record<string, string | Redacted.Redacted>>
  readonly task: ClaimedTask
  readonly path: string
  /** Told how many bytes are in the file. */
  readonly arrived: (bytes: number) => Effect.Effect<void>
}) {
  const { path, task } = options
  const request = HttpClientRequest.get(`${options.address}/api/worker/source/${task.videoId}`).pipe(
    HttpClientRequest.setHeaders({
      ...options.headers,
      ...(task.source.sha256 === null ? {} : { "if-range": `"${task.source.sha256}"` })
    } as Record<string, string>)
  )
  const file = yield* Effect.acquireRelease(
    Effect.tryPromise({ try: () => open(path, "w"), catch: diskProblem(path) }),
    (file) => Effect.ignore(Effect.tryPromise(() => file.close()))
  )
  const arrived = yield* Ref.make(nothing())
  const rest = fetchRest(options.client, options.address, request, file, arrived, { path, tell: options.arrived }).pipe(
    Effect.andThen(Ref.get(arrived)),
    Effect.filterOrFail(
      ({ bytes }) => bytes >= task.source.bytes,
      ({ bytes }) => new ApiUnavailable({ problem: `The download ended after ${bytes} of ${task.source.bytes} bytes` })
    )
  )
  yield* whileItMoves(rest, arrived)
  const { bytes, hash } = yield* Ref.get(arrived)
  const sha256 = hash.digest("hex")
  if (bytes !== task.source.bytes || (task.source.sha256 ?? sha256) !== sha256) {
    return yield* new ApiRefused({
      status: 200,
      problem: `The source arrived with ${bytes} bytes and SHA-256 ${sha256}, but the upload had ${task.source.bytes} and ${task.source.sha256}`
    })
  }
}, Effect.scoped)
