/**
 * WorkerApi against VLog's own server. It knows neither leases nor digests, takes renditions with their sound inside, and
 * wants their playlists, the master playlist and the manifest from the worker. A claim lasts half an hour and every
 * report of progress extends it.
 */
import { Effect, Option, Redacted, Schedule } from "effect"
import { HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { createHash, randomUUID } from "node:crypto"
import { readFile } from "node:fs/promises"
import { promisify } from "node:util"
import { gzip } from "node:zlib"
import { LeaseId, TaskId } from "../../../domain/ids.ts"
import { manifest, manifestName } from "../../../domain/media/DashManifest.ts"
import { masterName, masterPlaylist, mediaName, mediaPlaylist } from "../../../domain/media/HlsPlaylist.ts"
import { posterRendition } from "../../../domain/media/Segment.ts"
import type { ClaimedTask } from "../../../domain/ports/JobStore.ts"
import { ApiRefused, ApiUnavailable, type WorkerApi } from "../../../domain/ports/WorkerApi.ts"
import { WorkspaceError } from "../../../domain/ports/Workspace.ts"
import { Slug } from "../../../domain/videos/Slug.ts"
import { keyHeader } from "../contract/Auth.ts"
import type { ClaimAnswer } from "../contract/Worker.ts"
import { download } from "./Download.ts"
import { errorOfStatus, errorOfUpload, toApiError, toTaskError, type WireError } from "./Errors.ts"
import { answered, patienceFor } from "./Patience.ts"
import { failureText, outputReport, progressReport } from "./Reports.ts"
import type { makeWorkerClient } from "./WorkerClient.ts"

/** It counts 300 requests a minute of all workers behind one address, and does not say when the next one may come. */
const again = <A, E extends { readonly _tag: string }, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.retry(call, {
    while: (error) => error._tag === "ApiUnavailable",
    schedule: Schedule.max([
      Schedule.jittered(Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("15 seconds")])),
      Schedule.recurs(10)
    ])
  })

/** Its claims last as long as its operator says; half an hour unless he does. A report each few seconds extends them. */
const claimSeconds = 1800

const claimedTask = (answer: typeof ClaimAnswer.Type): ClaimedTask | null => {
  const { claim_expires_at, job_id, source_filename, video_id, video_slug } = answer
  if (job_id === null || video_id === null) return null
  const extension = /\.[a-z0-9]{1,5}$/i.exec(source_filename ?? "")?.[0] ?? ".mp4"
  return {
    taskId: TaskId.make(job_id),
    kind: "whole",
    firstFrame: null,
    frameCount: null,
    jobId: job_id,
    videoId: video_id,
    slug: Slug.make(video_slug ?? "video"),
    source: { fileName: `${video_id}${extension}`, extension, bytes: 0, sha256: null },
    codec: null,
    // Names the attempt on this machine: the server knows the worker by its key.
    leaseId: LeaseId.make(randomUUID()),
    attempt: 1,
    expiresAt: claim_expires_at ?? new Date(),
    packaging: "muxed",
    trace: null
  }
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const archive = async (files: Readonly<Record<string, Uint8Array>>): Promise<Uint8Array> => {
  // Loaded where it is needed: most workers never work at VLog's own server.
  const { pack } = await import("tar-stream")
  const tar = pack()
  for (const [name, bytes] of Object.entries(files)) tar.entry({ name, mode: 0o644 }, Buffer.from(bytes))
  tar.finalize()
  const chunks: Array<Buffer> = []
  for await (const chunk of tar) chunks.push(Buffer.from(chunk as Uint8Array))
  return promisify(gzip)(Buffer.concat(chunks), { level: 1 })
}

const readWhole = (path: string) =>
  Effect.tryPromise({
    try: () => readFile(path),
    catch: (cause) => new WorkspaceError({ problem: `${path} cannot be read: ${String(cause)}` })
  })

export const makeVlog = (options: {
  readonly address: string
  readonly key: Redacted.Redacted
  readonly http: HttpClient.HttpClient
  readonly client: Effect.Success<ReturnType<typeof makeWorkerClient>>
}): Omit<WorkerApi["Service"], "heartbeat"> => {
  const { address, client, http, key } = options
  const apiError = <A, R>(call: Effect.Effect<A, WireError, R>) =>
    answered(address)(Effect.mapError(call, toApiError(address)))
  const taskError = <A, R>(call: Effect.Effect<A, WireError, R>) =>
    answered(address)(Effect.mapError(call, toTaskError(address)))
  const headers = { [keyHeader]: Redacted.value(key) }
  const params = (task: ClaimedTask) => ({ params: { job_id: task.jobId }, headers: {} })
  /** Pictures wait for the end, when all that is no segment goes in one archive. */
  const posters = new Map<LeaseId, Uint8Array>()
  /** Whoever has said "complete" must not say "failed" after it: the server would take the finished video away. */
  const completing = new Set<LeaseId>()

  const post = Effect.fnUntraced(
    function* (path: string, body: HttpBody.Uint8Array, more: Record<string, string>) {
      const response = yield* HttpClientRequest.post(`${address}/api/worker/upload/${path}`).pipe(
        HttpClientRequest.setHeaders({ ...headers, ...more }),
        HttpClientRequest.setBody(body),
        http.execute,
        Effect.mapError((error) => new ApiUnavailable({ problem: `The upload of ${path} broke: ${error.message}` }))
      )
      const text = yield* Effect.orElseSucceed(response.text, () => "")
      if (response.status === 200) return text
      return yield* errorOfUpload(address, path, response.status, text)
    },
    (sent, _path, body, _more) => answered(address, patienceFor(body.contentLength))(sent)
  )

  const segment = (task: ClaimedTask, name: string, bytes: Uint8Array) =>
    again(
      post(`${task.videoId}/segment/${name}`, HttpBody.uint8Array(bytes, "application/octet-stream"), {
        "x-content-sha256": sha256(bytes)
      })
    )

  /** Asked by itself: without it a download that was cut short looks like a whole one. */
  const sourceSize = Effect.fnUntraced(
    function* (task: ClaimedTask) {
      const response = yield* HttpClientRequest.get(`${address}/api/worker/source/${task.videoId}`).pipe(
        HttpClientRequest.setHeaders({ ...headers, range: "bytes=0-0" }),
        http.execute,
        answered(address)
      )
      const told = response.headers["content-range"]?.split("/")[1] ?? response.headers["content-length"]
      const problem = `${address} answers a download with status ${response.status}`
      if (response.status >= 400) return yield* errorOfStatus(response.status, problem)
      if (told === undefined) return yield* new ApiUnavailable({ problem })
      return Number(told)
    },
    Effect.catchTag("HttpClientError", (error) => new ApiUnavailable({ problem: error.message })),
    again
  )

  const upload: WorkerApi["Service"]["upload"] = Effect.fn("WorkerApi.upload")(function* (task, file, path) {
    const bytes = yield* readWhole(path)
    if (file.rendition === posterRendition) posters.set(task.leaseId, bytes)
    else yield* segment(task, `${file.rendition}/${file.name}`, bytes)
  })

  /** Its answer is 200 also where something is missing. */
  const finalize = Effect.fnUntraced(function* (task: ClaimedTask, quality: string, count: number, digest: string) {
    const answer = yield* again(
      taskError(
        client.uploads.finalizeSegments({
          params: { video_id: task.videoId },
          headers: {},
          payload: { quality, segment_count: count, manifest_checksum: `sha256:${digest}` }
        })
      )
    )
    if (!answer.complete) {
      const missing = answer.missing_segments.join(", ")
      return yield* new ApiRefused({ status: 200, problem: `${address} does not have all of ${quality}: ${missing}` })
    }
  })

  const extras = Effect.fnUntraced(function* (task: ClaimedTask, texts: Readonly<Record<string, string>>) {
    const encode = new TextEncoder()
    const poster = posters.get(task.leaseId)
    const bytes = yield* Effect.promise(() =>
      archive({
        ...Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, encode.encode(text)])),
        ...(poster === undefined ? {} : { "thumbnail.jpg": poster })
      })
    )
    const form = new FormData()
    form.append("file", new Blob([Buffer.from(bytes)], { type: "application/gzip" }), "finalize.tar.gz")
    // As bytes, for their length to be told: a form would go in chunks, which servers behind a proxy may refuse.
    const encoded = new Response(form)
    const body = new Uint8Array(yield* Effect.promise(() => encoded.arrayBuffer()))
    yield* again(
      post(`${task.videoId}/finalize`, HttpBody.uint8Array(body, encoded.headers.get("content-type") ?? ""), {})
    )
  })

  const complete: WorkerApi["Service"]["complete"] = Effect.fn("WorkerApi.complete")(
    function* (task, output) {
      const { presentation } = output
      for (const track of presentation.video) {
        const playlist = new TextEncoder().encode(mediaPlaylist(track))
        yield* segment(task, `${track.name}/${mediaName}`, playlist)
        // With the init segment.
        yield* finalize(task, track.name, track.segments.length + 1, sha256(playlist))
      }
      yield* extras(task, {
        [masterName]: masterPlaylist(presentation, ""),
        [manifestName]: manifest(presentation, "./")
      })
      completing.add(task.leaseId)
      // A new token each time: the server takes one that it has seen for done, whether it was or not.
      yield* again(
        Effect.suspend(() =>
          taskError(
            client.worker.complete({
              ...params(task),
              payload: {
                ...outputReport(output),
                streaming_codec: protocolCodec(presentation.video[0].codecs),
                completion_token: `${task.jobId}-${randomUUID()}`
              }
            })
          )
        )
      )
    },
    (effect, task) =>
      Effect.ensuring(
        effect,
        Effect.sync(() => void posters.delete(task.leaseId))
      )
  )

  return {
    claim: apiError(client.worker.claim({ query: {}, headers: {} })).pipe(
      Effect.map((answer) =>
        Option.map(Option.fromNullOr(claimedTask(answer)), (task) => ({ task, leaseSeconds: claimSeconds }))
      )
    ),
    renew: (task, report) =>
      Effect.asVoid(taskError(client.worker.progress({ ...params(task), payload: progressReport(report) }))),
    download: (task, path, arrived) =>
      Effect.flatMap(sourceSize(task), (bytes) =>
        download({
          client: http,
          address,
          headers,
          task: { ...task, source: { ...task.source, bytes } },
          path,
          arrived
        })
      ),
    // It knows nothing of what was uploaded before.
    begin: () => Effect.succeedNone,
    adopt: () => Effect.void,
    upload,
    complete,
    fail: (task, failure) =>
      completing.delete(task.leaseId)
        ? Effect.logWarning("not told as failed, because it may be complete", { problem: failure.error })
        : Effect.asVoid(
            again(
              taskError(
                client.worker.fail({
                  ...params(task),
                  payload: { error_message: failureText(failure), retry: failure.retry }
                })
              )
            )
          ),
    // There is no such call. A claim that runs out costs no attempt, where "failed" would.
    release: (task) => Effect.logInfo("the claim is left to run out", { job: task.jobId })
  }
}

const protocolCodec = (codecs: string) =>
  codecs.startsWith("av01") ? "av1" : codecs.startsWith("hvc1") || codecs.startsWith("hev1") ? "hevc" : "h264"
