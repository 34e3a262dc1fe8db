/** Resumable uploads by tus 1.0.0. */
import { Effect, Option } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { JobStore } from "../../../domain/ports/JobStore.ts"
import { type BytesMismatch, MediaStore } from "../../../domain/ports/MediaStore.ts"
import { type UploadRefused, UploadStore } from "../../../domain/ports/UploadStore.ts"
import { VideoStore } from "../../../domain/ports/VideoStore.ts"
import { beginUpload, type NoRoom, receiveUpload } from "../../../domain/programs/ReceiveUpload.ts"
import type { EmptyUpload } from "../../../domain/programs/ReceiveVideo.ts"
import type { Upload } from "../../../domain/videos/Upload.ts"
import { requestBody } from "../../http/Body.ts"
import { Api } from "../contract/Api.ts"
import {
  BadRequest,
  Conflict,
  Gone,
  Locked,
  NotFound,
  PreconditionFailed,
  StorageFull,
  TooLarge,
  UnsupportedMediaType
} from "../contract/Errors.ts"
import {
  checksumAlgorithms,
  tusExtensions,
  tusVersion,
  type UploadAnswer,
  uploadsPath,
  uploadType
} from "../contract/Resumable.ts"
import { jobAnswer, videoAnswer } from "./Answers.ts"
import { countUpload } from "./Metrics.ts"
import { pageOf } from "./Paging.ts"
import { bodyRefused, diskRefused, unavailable } from "./Refusals.ts"
import { ApiSettings } from "./Settings.ts"
import { checked, readChecksum } from "./UploadChecksum.ts"
import { readMetadata } from "./UploadMetadata.ts"

/** Of an upload that is only looked at. */
const notThere = ({ message: detail, reason }: UploadRefused): Effect.Effect<never, Gone | NotFound> =>
  Effect.fail(reason === "not-found" ? new NotFound({ detail }) : new Gone({ detail }))

const uploadRefused = (
  error: UploadRefused
): Effect.Effect<never, BadRequest | Conflict | Gone | Locked | NotFound> => {
  const { message: detail, reason } = error
  if (reason === "length") return Effect.fail(new BadRequest({ detail }))
  if (reason === "busy") return Effect.fail(new Locked({ detail }))
  if (reason === "offset" || reason === "taken" || reason === "finished") return Effect.fail(new Conflict({ detail }))
  return notThere(error)
}

const assertVersion = ({ "tus-resumable": version }: { readonly "tus-resumable"?: string }) =>
  version === tusVersion
    ? Effect.void
    : Effect.fail(new PreconditionFailed({ detail: `Tus-Resumable has to be ${tusVersion}` }))

/** Each part would become a video. */
const noParts = new BadRequest({ detail: "Upload-Concat is not known here: send the file as one upload" })

const count = /^\d{1,15}$/

const numberIn = (name: string, text: string | undefined) =>
  text !== undefined && count.test(text)
    ? Effect.succeed(Number(text))
    : Effect.fail(new BadRequest({ detail: `${name} has to be a number of bytes` }))

/** The length of what is begun, or that it is said later: one of the two. */
const lengthIn = (headers: { readonly "upload-length"?: string; readonly "upload-defer-length"?: string }) => {
  if (headers["upload-defer-length"] === undefined) return numberIn("Upload-Length", headers["upload-length"])
  return headers["upload-defer-length"] === "1" && headers["upload-length"] === undefined
    ? Effect.succeed(null)
    : Effect.fail(new BadRequest({ detail: "Upload-Defer-Length has to be 1, and takes the place of Upload-Length" }))
}

/** Of an upload whose length may have been said before. */
const lengthLater = (headers: { readonly "upload-length"?: string }) =>
  headers["upload-length"] === undefined ? Effect.succeed(null) : numberIn("Upload-Length", headers["upload-length"])

const lengthOf = ({ bytes }: Upload): Readonly<Record<string, string>> =>
  bytes === null ? { "upload-defer-length": "1" } : { "upload-length": String(bytes) }

const lengthRefused = {
  EmptyUpload: ({ message: detail }: EmptyUpload) => Effect.fail(new BadRequest({ detail })),
  BytesMismatch: ({ message: detail }: BytesMismatch) => Effect.fail(new TooLarge({ detail })),
  NoRoom: ({ message: detail }: NoRoom) => Effect.fail(new StorageFull({ detail }))
}

const expires = ({ expiresAt }: Upload) => ({ "upload-expires": expiresAt.toUTCString() })

const empty = (status: number, headers: Readonly<Record<string, string>> = {}) =>
  HttpServerResponse.empty({ status, headers })

export const resumableRoutes = HttpApiBuilder.group(
  Api,
  "resumable",
  Effect.fn(function* (handlers) {
    const settings = yield* ApiSettings
    const uploads = yield* UploadStore
    const videos = yield* VideoStore
    const jobs = yield* JobStore
    const media = yield* MediaStore

    const answerOf = Effect.fnUntraced(function* (upload: Upload) {
      const { about } = yield* Effect.orDie(readMetadata(upload.metadata))
      const video = upload.video === null ? Option.none() : yield* videos.byId(upload.video)
      const latest = upload.video === null ? undefined : (yield* jobs.latestJobs([upload.video])).get(upload.video)
      const answer: typeof UploadAnswer.Type = {
        id: upload.id,
        filename: about.fileName,
        bytes: upload.bytes,
        received: upload.received,
        fingerprint: upload.fingerprint,
        created_at: upload.createdAt,
        expires_at: upload.expiresAt,
        video: Option.isNone(video)
          ? null
          : { video: videoAnswer(video.value), job: latest === undefined ? null : jobAnswer(latest) }
      }
      return answer
    })

    return handlers
      .handleRaw(
        "create",
        Effect.fnUntraced(function* ({ headers }) {
          yield* assertVersion(headers)
          if (headers["upload-concat"] !== undefined) return yield* noParts
          const bytes = yield* lengthIn(headers)
          const metadata = headers["upload-metadata"] ?? ""
          const upload = yield* beginUpload({
            ...(yield* readMetadata(metadata)),
            bytes,
            metadata,
            maxBytes: settings.maxSourceBytes
          }).pipe(
            Effect.provideService(MediaStore, media),
            Effect.provideService(UploadStore, uploads),
            Effect.catchTags({
              ...lengthRefused,
              MediaStoreError: diskRefused,
              StoreUnavailable: unavailable
            })
          )
          return empty(201, { location: `${uploadsPath}/${upload.id}`, ...expires(upload) })
        })
      )
      .handle(
        "list",
        Effect.fnUntraced(
          function* ({ query }) {
            const page = pageOf(query)
            const { fingerprint } = query
            const found = yield* uploads.list({ ...page, fingerprint })
            return {
              uploads: yield* Effect.forEach(found, answerOf),
              total: yield* uploads.count({ fingerprint }),
              ...page
            }
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
      .handle(
        "show",
        Effect.fnUntraced(
          function* ({ params }) {
            return yield* answerOf(yield* uploads.find(params.upload_id))
          },
          Effect.catchTags({ UploadRefused: notThere, StoreUnavailable: unavailable })
        )
      )
      .handleRaw(
        "offset",
        Effect.fnUntraced(
          function* ({ headers, params }) {
            yield* assertVersion(headers)
            const upload = yield* uploads.find(params.upload_id)
            return empty(200, {
              "upload-offset": String(upload.received),
              ...lengthOf(upload),
              "upload-metadata": upload.metadata,
              ...expires(upload)
            })
          },
          Effect.catchTags({ UploadRefused: notThere, StoreUnavailable: unavailable })
        )
      )
      .handleRaw(
        "add",
        Effect.fnUntraced(
          function* ({ headers, params }) {
            yield* assertVersion(headers)
            if (headers["content-type"] !== uploadType) {
              return yield* new UnsupportedMediaType({ detail: `Content-Type has to be ${uploadType}` })
            }
            const offset = yield* numberIn("Upload-Offset", headers["upload-offset"])
            const bytes = yield* lengthLater(headers)
            const checksum = yield* readChecksum(headers["upload-checksum"])
            const request = yield* HttpServerRequest.HttpServerRequest
            const upload = yield* uploads.find(params.upload_id)
            if (upload.video !== null && offset === upload.bytes) return empty(204, { "upload-offset": String(offset) })
            const { about } = yield* Effect.orDie(readMetadata(upload.metadata))
            const length = upload.bytes ?? bytes ?? settings.maxSourceBytes
            const body = requestBody(request, { maxBytes: Math.max(0, length - offset) })
            const reached = yield* receiveUpload({
              upload,
              offset,
              bytes,
              maxBytes: settings.maxSourceBytes,
              about,
              wholly: checksum !== null,
              body: checksum === null ? body : checked(body, checksum)
            }).pipe(
              Effect.provideService(MediaStore, media),
              Effect.provideService(UploadStore, uploads),
              Effect.provideService(VideoStore, videos)
            )
            if (reached.video !== null) {
              const { id, slug, source } = reached.video
              yield* countUpload(source.bytes)
              yield* Effect.logInfo("video received", { video: id, slug, bytes: source.bytes, upload: upload.id })
            }
            return empty(204, { "upload-offset": String(reached.offset), ...expires(upload) })
          },
          Effect.catchTags({
            ...lengthRefused,
            UploadRefused: uploadRefused,
            BodyRefused: (error) =>
              error.reason === "too-large"
                ? Effect.fail(new TooLarge({ detail: "The body is larger than what is left of the upload" }))
                : bodyRefused(error),
            MediaStoreError: diskRefused,
            StoreUnavailable: unavailable
          })
        )
      )
      .handleRaw(
        "forget",
        Effect.fnUntraced(
          function* ({ headers, params }) {
            yield* assertVersion(headers)
            const gone = yield* uploads.remove(params.upload_id)
            if (Option.isNone(gone)) return yield* new NotFound({ detail: "There is no such upload" })
            const { arriving } = gone.value
            // What cannot be removed now is left to the cleanup.
            if (arriving !== null) yield* Effect.ignore(media.removeArriving(arriving))
            return empty(204)
          },
          Effect.catchTag("StoreUnavailable", unavailable)
        )
      )
  })
)

export const resumableOptionsRoutes = HttpApiBuilder.group(
  Api,
  "resumableOptions",
  Effect.fn(function* (handlers) {
    const { maxSourceBytes } = yield* ApiSettings
    return handlers.handleRaw("options", () =>
      Effect.succeed(
        empty(204, {
          "tus-extension": tusExtensions.join(","),
          "tus-checksum-algorithm": checksumAlgorithms.join(","),
          "tus-max-size": String(maxSourceBytes)
        })
      )
    )
  })
)
