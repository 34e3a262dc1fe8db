/** WorkerApi over HTTP. */
import * as NodeStream from "@effect/platform-node/NodeStream"
import { type Duration, Effect, Layer, Option, Redacted, Ref, Schema } from "effect"
import { HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { createReadStream } from "node:fs"
import { describe } from "../../../domain/media/Encoder.ts"
import type { MadeFile } from "../../../domain/media/Segment.ts"
import type { ClaimedTask } from "../../../domain/ports/JobStore.ts"
import { ApiUnavailable, WorkerApi } from "../../../domain/ports/WorkerApi.ts"
import { Slug } from "../../../domain/videos/Slug.ts"
import type { Capabilities } from "../../../domain/workers/Capabilities.ts"
import { isAccelerated } from "../../../domain/workers/Capabilities.ts"
import { keyHeader, leaseHeader } from "../contract/Auth.ts"
import type { ClaimAnswer } from "../contract/Worker.ts"
import { prefixHeader, PrefixText } from "../contract/Prefix.ts"
import { loggedIn, type Login } from "./Connection.ts"
import { download } from "./Download.ts"
import { errorOfUpload, toApiError, toTaskError, type WireError } from "./Errors.ts"
import { again, answered, longest, patienceFor } from "./Patience.ts"
import { failureText, outputReport, progressReport, shortened } from "./Reports.ts"
import { makeVlog } from "./Vlog.ts"
import { makeWorkerClient } from "./WorkerClient.ts"

const encodePrefix = Schema.encodeSync(PrefixText)

const digestOf = ({ bytes, name, rendition, sha256 }: MadeFile) => ({ rendition, name, bytes, sha256 })

const claimedTask = (answer: typeof ClaimAnswer.Type): ClaimedTask | null => {
  const { claim_expires_at, job_id, lease_id, task, video_id } = answer
  if (job_id === null || video_id === null || task === undefined || lease_id === undefined || claim_expires_at === null)
    return null
  return {
    taskId: task.id,
    kind: task.kind,
    firstFrame: task.first_frame,
    frameCount: task.frame_count,
    jobId: job_id,
    videoId: video_id,
    slug: Slug.make(answer.video_slug ?? "video"),
    source: {
      fileName: task.source.file_name,
      extension: task.source.extension,
      bytes: task.source.bytes,
      sha256: task.source.sha256
    },
    codec: task.codec ?? null,
    leaseId: lease_id,
    attempt: answer.attempt ?? 1,
    expiresAt: claim_expires_at,
    trace: answer.trace ?? null
  }
}

/** The protocol takes 10,000 characters of metadata; a machine of many devices has more to tell, on its own port. */
const toldRefusals = 30

/** What the protocol knows of a worker's abilities, within its limits; ours, with reasons, beside it. */
const metadataOf = (capabilities: Capabilities) => {
  const codecs = [...new Set(capabilities.encoders.map((encoder) => encoder.codec))]
  return {
    capabilities: {
      hwaccel_enabled: isAccelerated(capabilities),
      supported_codecs: codecs,
      encoders: Object.fromEntries(
        codecs.map((codec) => [
          codec,
          [...new Set(capabilities.encoders.filter((encoder) => encoder.codec === codec).map(({ name }) => name))]
        ])
      ),
      ffmpeg_version: capabilities.ffmpegVersion.slice(0, 100)
    },
    refused_encoders: capabilities.refused
      .slice(0, toldRefusals)
      .map(({ encoder, reason }) => `${describe(encoder)}: ${reason.slice(0, 200)}`)
  }
}

/** All but the heartbeat, whose answer tells which one is spoken. */
type Dialect = Omit<WorkerApi["Service"], "heartbeat">

/** The most that our own server takes of a note, and of ffmpeg's last lines. */
const longestNote = 2000
const longestTail = 65_536

const make = (options: ClientOptions) =>
  Effect.gen(function* () {
    const { address, key } = options
    const http = yield* HttpClient.HttpClient
    const client = yield* makeWorkerClient(address, key)
    const apiError = <A, R>(call: Effect.Effect<A, WireError, R>) =>
      answered(address)(Effect.mapError(call, toApiError(address)))
    const taskError = <A, R>(call: Effect.Effect<A, WireError, R>, within?: Duration.Duration) =>
      answered(address, within)(Effect.mapError(call, toTaskError(address)))
    const job = (task: ClaimedTask) => ({ params: { job_id: task.jobId }, headers: { [leaseHeader]: task.leaseId } })
    /** Whether this server keeps more of an attempt than its error. */
    let accounts = false
    /** Whether this server knows what earlier attempts left. */
    let resumes = false
    const headersOf = (task: ClaimedTask) => ({ [keyHeader]: Redacted.value(key), [leaseHeader]: task.leaseId })

    /** VLog's own server does not say what it is. */
    const isVlog = yield* Ref.make(false)

    const heartbeat: WorkerApi["Service"]["heartbeat"] = Effect.fn("WorkerApi.heartbeat")(function* (report) {
      const answer = yield* apiError(
        client.worker.heartbeat({
          payload: {
            status: report.status,
            ...(report.capabilities === null ? {} : { metadata: metadataOf(report.capabilities) })
          }
        })
      )
      accounts = answer.server?.features.includes("account") === true
      resumes = answer.server?.features.includes("resume") === true
      yield* Ref.set(isVlog, answer.server === undefined)
      return { welcome: answer.version_ok, cancelled: (answer.cancelled ?? []).map(({ lease_id }) => lease_id) }
    })

    const claim: WorkerApi["Service"]["claim"] = apiError(
      client.worker.claim({ query: {}, headers: { "x-lease-seconds": options.leaseSeconds } })
    ).pipe(
      Effect.map((answer) => {
        const task = claimedTask(answer)
        return task === null
          ? Option.none()
          : Option.some({ task, leaseSeconds: answer.lease_seconds ?? options.leaseSeconds })
      })
    )

    const failed = ({ error, notes, reason, retry, stderr }: Parameters<WorkerApi["Service"]["fail"]>[1]) =>
      accounts
        ? {
            error_message: shortened(error),
            reason,
            retry,
            stderr_tail: stderr?.slice(-longestTail) ?? null,
            notes: notes.map((note) => note.slice(0, longestNote))
          }
        : { error_message: failureText({ error, stderr }), retry }

    const renew: WorkerApi["Service"]["renew"] = (task, report) =>
      Effect.asVoid(taskError(client.worker.progress({ ...job(task), payload: progressReport(report) })))

    const sendOnce = Effect.fnUntraced(function* (task: ClaimedTask, file: MadeFile, path: string) {
      const body = HttpBody.stream(
        NodeStream.fromReadable({ evaluate: () => createReadStream(path), onError: (cause) => cause }),
        "application/octet-stream",
        file.bytes
      )
      const response = yield* HttpClientRequest.post(
        `${address}/api/worker/upload/${task.videoId}/segment/${file.rendition}/${file.name}`
      ).pipe(
        HttpClientRequest.setHeaders({
          ...headersOf(task),
          "x-content-sha256": file.sha256,
          ...(file.prefix === undefined ? {} : { [prefixHeader]: encodePrefix(file.prefix) })
        }),
        HttpClientRequest.setBody(body),
        http.execute,
        Effect.mapError(
          (error) => new ApiUnavailable({ problem: `The upload of ${file.name} broke: ${error.message}` })
        )
      )
      if (response.status === 200) return
      const detail = yield* Effect.orElseSucceed(response.text, () => "")
      return yield* errorOfUpload(address, `${file.rendition}/${file.name}`, response.status, detail)
    })

    const send = (task: ClaimedTask, file: MadeFile, path: string) =>
      answered(address, patienceFor(file.bytes))(sendOnce(task, file, path))

    const complete: WorkerApi["Service"]["complete"] = Effect.fn("WorkerApi.complete")(function* (task, output) {
      const { presentation } = output
      yield* taskError(
        client.worker.complete({
          ...job(task),
          payload: {
            ...outputReport(output),
            streaming_codec: presentation.video[0].codecs,
            completion_token: `${task.jobId}-${task.leaseId}`,
            files: output.files.map(digestOf),
            languages: Object.fromEntries(presentation.audio.map((track) => [track.name, track.language])),
            ...(accounts ? { notes: output.notes.map((note) => note.slice(0, longestNote)) } : {})
          }
        }),
        longest
      )
    }, again)

    const begin: WorkerApi["Service"]["begin"] = Effect.fn("WorkerApi.begin")(function* (task, fingerprint) {
      if (!resumes) return Option.none()
      const { resume } = yield* taskError(client.worker.begin({ ...job(task), payload: { fingerprint } }))
      return resume === null ? Option.none() : Option.some({ lease: resume.lease_id, files: resume.files })
    }, again)

    const adopt: WorkerApi["Service"]["adopt"] = Effect.fn("WorkerApi.adopt")(function* (task, { files, lease }) {
      const [first, ...rest] = files.map(digestOf)
      if (first === undefined) return
      yield* taskError(client.worker.adopt({ ...job(task), payload: { lease_id: lease, files: [first, ...rest] } }))
    }, again)

    const ours: Dialect = {
      claim,
      renew,
      begin,
      adopt,
      download: (task, path, arrived) =>
        download({ client: http, address, headers: headersOf(task), task, path, arrived }),
      upload: Effect.fn("WorkerApi.upload")(send, again),
      complete,
      fail: (task, failure) =>
        Effect.asVoid(
          again(
            taskError(
              client.worker.fail({
                ...job(task),
                payload: failed(failure)
              })
            )
          )
        ),
      release: (task) => Effect.asVoid(again(taskError(client.worker.release(job(task)))))
    }
    const vlogs = makeVlog({ address, key, http, client })
    const inTheirWords = <A, E, R>(say: (dialect: Dialect) => Effect.Effect<A, E, R>) =>
      Effect.flatMap(Ref.get(isVlog), (vlog) => say(vlog ? vlogs : ours))
    return WorkerApi.of({
      heartbeat,
      claim: inTheirWords(({ claim }) => claim),
      renew: (...call) => inTheirWords(({ renew }) => renew(...call)),
      download: (...call) => inTheirWords(({ download }) => download(...call)),
      begin: (...call) => inTheirWords(({ begin }) => begin(...call)),
      adopt: (...call) => inTheirWords(({ adopt }) => adopt(...call)),
      upload: (...call) => inTheirWords(({ upload }) => upload(...call)),
      complete: (...call) => inTheirWords(({ complete }) => complete(...call)),
      fail: (...call) => inTheirWords(({ fail }) => fail(...call)),
      release: (...call) => inTheirWords(({ release }) => release(...call))
    })
  })

export interface ClientOptions {
  /** Without a slash at its end. */
  readonly address: string
  readonly login?: Login | null
  readonly key: Redacted.Redacted
  readonly leaseSeconds: number
}

export const layer = (options: ClientOptions) =>
  Layer.effect(WorkerApi, make(options)).pipe(Layer.provide(loggedIn(options.login ?? null)))
