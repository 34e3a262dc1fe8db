/**
 * Videos that are uploaded in as many requests as it takes: tus 1.0.0 with its extensions creation, also with a length
 * that is said later, termination, expiration and checksum (https://tus.io/protocols/resumable-upload), and what a sender
 * wants to know beyond that, as JSON.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { UploadId } from "../../../domain/ids.ts"
import { AdminAuth } from "./Auth.ts"
import { takingBytes } from "./Described.ts"
import {
  BadRequest,
  BodyTimeout,
  ChecksumMismatch,
  Conflict,
  Gone,
  Locked,
  NotFound,
  PreconditionFailed,
  StorageFull,
  TooLarge,
  Unavailable,
  UnsupportedMediaType
} from "./Errors.ts"
import { pageFields, paging, Text } from "./Fields.ts"
import { VideoWithJob } from "./Videos.ts"
import { wishes } from "./Wishes.ts"

export const tusVersion = "1.0.0"
export const uploadsPath = "/api/uploads"
export const uploadType = "application/offset+octet-stream"
export const tusExtensions = ["creation", "creation-defer-length", "termination", "expiration", "checksum"]
export const checksumAlgorithms = ["sha1", "sha256"] as const

/** What `Upload-Metadata` may hold, decoded from Base64. */
export const UploadMetadata = Schema.Struct({
  filename: Text(255).pipe(Schema.check(Schema.isNonEmpty())),
  title: Schema.optionalKey(Text(200)),
  /** Whatever the sender knows the file by; an upload is found by it. */
  fingerprint: Schema.optionalKey(Text(200)),
  ...wishes
})

export const UploadAnswer = Schema.Struct({
  id: UploadId,
  filename: Schema.String,
  /** Null until its sender says how long it is. */
  bytes: Schema.NullOr(Schema.Int),
  /** How many of them are there; what is just arriving is added every few seconds. */
  received: Schema.Int,
  fingerprint: Schema.NullOr(Schema.String),
  created_at: Schema.DateFromString,
  expires_at: Schema.DateFromString,
  /** What became of it; null until all bytes are there. */
  video: Schema.NullOr(VideoWithJob)
})

const params = { upload_id: UploadId }

/** As texts: what is wrong with one has a status of its own in this protocol. */
const headers = {
  "tus-resumable": Schema.optionalKey(Schema.String),
  "upload-length": Schema.optionalKey(Schema.String),
  "upload-defer-length": Schema.optionalKey(Schema.String),
  "upload-offset": Schema.optionalKey(Schema.String),
  "upload-metadata": Schema.optionalKey(Schema.String),
  "upload-checksum": Schema.optionalKey(Schema.String),
  "upload-concat": Schema.optionalKey(Schema.String),
  "content-type": Schema.optionalKey(Schema.String)
}
const { "tus-resumable": version } = headers

export class ResumableGroup extends HttpApiGroup.make("resumable")
  .add(
    HttpApiEndpoint.post("create", uploadsPath, {
      headers: {
        "tus-resumable": version,
        "upload-length": headers["upload-length"],
        "upload-defer-length": headers["upload-defer-length"],
        "upload-concat": headers["upload-concat"],
        "upload-metadata": headers["upload-metadata"]
      },
      success: HttpApiSchema.Empty(201),
      error: [BadRequest, PreconditionFailed, TooLarge, Unavailable, StorageFull]
    }).annotateMerge(
      OpenApi.annotations({
        summary: "Begin a resumable upload",
        description:
          "`Upload-Length` is the size of the file; with `Upload-Defer-Length: 1` it is said later, with one of its " +
          "pieces. `Upload-Metadata` has its `filename` and may have `title`, " +
          "`priority`, `run_at`, `prefer_codec`, `require_codec` and `fingerprint`, all in Base64. `Location` is where " +
          "its bytes go, `Upload-Expires` when it is forgotten if nothing is added."
      })
    ),
    HttpApiEndpoint.get("list", uploadsPath, {
      query: { ...paging, fingerprint: Schema.optionalKey(Text(200)) },
      success: Schema.Struct({ uploads: Schema.Array(UploadAnswer), ...pageFields }),
      error: Unavailable
    }).annotateMerge(OpenApi.annotations({ summary: "List uploads that can be gone on with, newest first" })),
    HttpApiEndpoint.get("show", `${uploadsPath}/:upload_id`, {
      params,
      success: UploadAnswer,
      error: [Gone, NotFound, Unavailable]
    }).annotateMerge(OpenApi.annotations({ summary: "Show an upload, and the video that it became" })),
    HttpApiEndpoint.head("offset", `${uploadsPath}/:upload_id`, {
      params,
      headers: { "tus-resumable": version },
      success: HttpApiSchema.Empty(200),
      error: [Gone, NotFound, PreconditionFailed, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "Ask how much of an upload is there", description: "`Upload-Offset` says it." })
    ),
    HttpApiEndpoint.patch("add", `${uploadsPath}/:upload_id`, {
      params,
      headers: {
        "tus-resumable": version,
        "upload-offset": headers["upload-offset"],
        "upload-length": headers["upload-length"],
        "upload-checksum": headers["upload-checksum"],
        "content-type": headers["content-type"]
      },
      success: HttpApiSchema.Empty(204),
      error: [
        BadRequest,
        BodyTimeout,
        ChecksumMismatch,
        Conflict,
        Gone,
        Locked,
        NotFound,
        PreconditionFailed,
        StorageFull,
        TooLarge,
        Unavailable,
        UnsupportedMediaType
      ]
    })
      .annotateMerge(takingBytes(uploadType))
      .annotateMerge(
        OpenApi.annotations({
          summary: "Add to an upload",
          description:
            "The body are the bytes from `Upload-Offset` on, as `application/offset+octet-stream`; all that arrives is " +
            "kept, also when the connection breaks. With the last byte the upload becomes a video with a job; `Upload-Length` " +
            "says which that is, where it was not said at the beginning. With " +
            "`Upload-Checksum` (`sha1` or `sha256`, and the digest in Base64) a piece is kept as a whole or not at all; " +
            "460: it has another checksum. 409: the upload is elsewhere, ask where. 423: another request adds to it; a " +
            "lost one for 15 seconds at most. A piece without bytes at the end of an upload whose video is still missing " +
            "makes it."
        })
      ),
    HttpApiEndpoint.delete("forget", `${uploadsPath}/:upload_id`, {
      params,
      headers: { "tus-resumable": version },
      success: HttpApiSchema.Empty(204),
      error: [NotFound, PreconditionFailed, Unavailable]
    }).annotateMerge(
      OpenApi.annotations({ summary: "End an upload and forget its bytes; a video that it became stays" })
    )
  )
  .middleware(AdminAuth) {}

/** What a tus server can do is told to everybody. */
export class ResumableOptionsGroup extends HttpApiGroup.make("resumableOptions").add(
  HttpApiEndpoint.options("options", uploadsPath, { success: HttpApiSchema.Empty(204) }).annotateMerge(
    OpenApi.annotations({ summary: "Ask what this server knows of tus" })
  )
) {}
