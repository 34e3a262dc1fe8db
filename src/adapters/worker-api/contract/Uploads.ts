/** How workers of the older protocol deliver: archives, and questions about single files. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { WorkerAuth } from "./Auth.ts"
import { takingFile } from "./Described.ts"
import {
  BadRequest,
  BodyTimeout,
  Conflict,
  Forbidden,
  NotFound,
  StorageFull,
  TooLarge,
  Unavailable,
  Unprocessable
} from "./Errors.ts"
import { integerFrom, optionalNull } from "./Fields.ts"
import { lease, videoParams } from "./Worker.ts"

const refusals = [
  BadRequest,
  BodyTimeout,
  Forbidden,
  NotFound,
  Conflict,
  TooLarge,
  Unprocessable,
  Unavailable,
  StorageFull
] as const

const Received = Schema.Struct({ status: Schema.Literal("ok"), message: Schema.String })

/** The body is read as it arrives, so that no schema decodes it: a multipart form with the archive as its part `file`. */
const archive = OpenApi.annotations({ description: "multipart/form-data; its part `file` is a gzip-compressed tar" })

const Checked = Schema.Struct({
  status: Schema.Literals(["ok", "incomplete"]),
  complete: Schema.Boolean,
  missing_segments: Schema.Array(Schema.String)
})

export class UploadGroup extends HttpApiGroup.make("uploads")
  .add(
    HttpApiEndpoint.post("quality", "/api/worker/upload/:video_id/quality/:quality", {
      params: { ...videoParams, quality: Schema.String },
      headers: lease,
      success: Received,
      error: refusals
    })
      .annotateMerge(OpenApi.annotations({ summary: "Bring a rendition as an archive" }))
      .annotateMerge(takingFile)
      .annotateMerge(archive),
    HttpApiEndpoint.post("finalize", "/api/worker/upload/:video_id/finalize", {
      params: videoParams,
      headers: lease,
      success: Received,
      error: refusals
    })
      .annotateMerge(OpenApi.annotations({ summary: "Bring playlist, manifest and thumbnail as an archive" }))
      .annotateMerge(takingFile)
      .annotateMerge(archive),
    HttpApiEndpoint.post("whole", "/api/worker/upload/:video_id", {
      params: videoParams,
      headers: lease,
      success: Received,
      error: refusals
    })
      .annotateMerge(OpenApi.annotations({ summary: "Bring all renditions as one archive" }))
      .annotateMerge(takingFile)
      .annotateMerge(archive),
    HttpApiEndpoint.get("segments", "/api/worker/upload/:video_id/segments/status", {
      params: videoParams,
      headers: lease,
      query: { quality: Schema.String },
      success: Schema.Struct({
        quality: Schema.String,
        received_segments: Schema.Array(Schema.String),
        total_size_bytes: Schema.Int
      }),
      error: refusals
    }).annotateMerge(OpenApi.annotations({ summary: "List which files of a rendition have arrived" })),
    HttpApiEndpoint.post("finalizeSegments", "/api/worker/upload/:video_id/segment/finalize", {
      params: videoParams,
      headers: lease,
      payload: Schema.Struct({
        quality: Schema.String,
        segment_count: integerFrom(0, 100_000),
        manifest_checksum: optionalNull(Schema.String)
      }),
      success: Checked,
      error: refusals
    }).annotateMerge(OpenApi.annotations({ summary: "Ask whether all files of a rendition have arrived" }))
  )
  .middleware(WorkerAuth) {}
