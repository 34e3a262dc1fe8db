/** What workers bring and take: sources, and files one by one. */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { Effect, Option, Schema, type Stream } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { LeaseId, VideoId } from "../../../domain/ids.ts"
import { Sha256 } from "../../../domain/ids.ts"
import { DeliveredPath } from "../../../domain/media/Delivered.ts"
import { RenditionName } from "../../../domain/media/Rendition.ts"
import { initName, posterName, segmentIndex, type SourcePrefix } from "../../../domain/media/Segment.ts"
import { DeliveryStore } from "../../../domain/ports/DeliveryStore.ts"
import type { Holder, Subject } from "../../../domain/ports/JobStore.ts"
import { JobStore } from "../../../domain/ports/JobStore.ts"
import { MediaStore } from "../../../domain/ports/MediaStore.ts"
import { SegmentInspector } from "../../../domain/ports/SegmentInspector.ts"
import { VideoStore } from "../../../domain/ports/VideoStore.ts"
import { holdWhileMoving } from "../../../domain/programs/HoldWhileMoving.ts"
import { receiveDelivered } from "../../../domain/programs/ReceiveDelivery.ts"
import { receivePart } from "../../../domain/programs/ReceivePart.ts"
import { type BodyRefused, requestBody } from "../../http/Body.ts"
import { fileResponse } from "../../http/FileResponse.ts"
import type { leaseHeader } from "../contract/Auth.ts"
import { BadRequest, Conflict, NotFound } from "../contract/Errors.ts"
import { prefixHeader } from "../contract/Prefix.ts"
import { observeSegment } from "./Metrics.ts"
import { bodyRefused, diskRefused, leaseRefused, unavailable } from "./Refusals.ts"
import { holderOf } from "./Reports.ts"
import { ApiSettings } from "./Settings.ts"

const isRenditionName = Schema.is(RenditionName)
const decodeDelivered = Schema.decodeUnknownOption(DeliveredPath)
const decodeDigest = Schema.decodeUnknownOption(Sha256)

const isPartName = (name: string) => name === initName || name === posterName || segmentIndex(name) !== null

interface Lease {
  readonly [leaseHeader]?: LeaseId
}

interface Segment {
  readonly video_id: VideoId
  readonly quality: string
  readonly filename: string
}

export const makeTransfers = Effect.gen(function* () {
  const settings = yield* ApiSettings
  const jobs = yield* JobStore
  const videos = yield* VideoStore
  const media = yield* MediaStore
  const inspector = yield* SegmentInspector
  const deliveries = yield* DeliveryStore

  /** The job's video; a job that is not there is no worker's. */
  const sourceOf = Effect.fnUntraced(function* (video: VideoId) {
    const found = yield* Effect.catchTag(videos.byId(video), "StoreUnavailable", unavailable)
    if (Option.isNone(found)) return yield* new NotFound({ detail: "Video not found" })
    return found.value
  })

  const store = Effect.fnUntraced(function* (
    params: Segment,
    holder: Holder,
    upload: {
      readonly sha256: Sha256
      readonly prefix: SourcePrefix | undefined
      readonly body: Stream.Stream<Uint8Array, BodyRefused>
    }
  ) {
    const { filename, quality, video_id: video } = params
    const maxBytes = settings.maxPartBytes
    if (!isRenditionName(quality)) return yield* new BadRequest({ detail: "Invalid request" })
    if (holder.lease !== null) {
      if (!isPartName(filename)) return yield* new BadRequest({ detail: "Invalid request" })
      return yield* receivePart({ video }, holder, { rendition: quality, name: filename, maxBytes, ...upload })
    }
    const path = decodeDelivered(`${quality}/${filename}`)
    if (Option.isNone(path)) return yield* new BadRequest({ detail: "Invalid request" })
    return yield* receiveDelivered({ video }, holder, { path: path.value, maxBytes, ...upload })
  })

  /** Until the answer to this request has been sent. */
  const holdWhileSending = Effect.fnUntraced(function* (subject: Subject, holder: Holder) {
    const { socket } = NodeHttpServerRequest.toIncomingMessage(yield* HttpServerRequest.HttpServerRequest)
    yield* holdWhileMoving(
      subject,
      holder,
      Effect.sync(() => socket.bytesWritten)
    ).pipe(Effect.provideService(DeliveryStore, deliveries), Effect.forkScoped)
  })

  const source = Effect.fnUntraced(function* ({
    headers,
    params
  }: {
    readonly headers: Lease
    readonly params: { readonly video_id: VideoId }
  }) {
    const holder = yield* holderOf(headers)
    yield* jobs.held({ video: params.video_id }, holder).pipe(
      Effect.catchTags({
        LeaseRefused: leaseRefused(holder.lease !== null, "transfer"),
        StoreUnavailable: unavailable
      })
    )
    const { id, source } = yield* sourceOf(params.video_id)
    const answer = yield* fileResponse({
      path: media.sourcePath(id, source),
      etag: `"${source.sha256}"`,
      contentType: "application/octet-stream",
      headers: {
        "content-disposition": `attachment; filename="${id}${source.extension}"`,
        "repr-digest": `sha-256=:${Buffer.from(source.sha256, "hex").toString("base64")}:`
      }
    })
    if (answer === null) return yield* new NotFound({ detail: "Source file not found" })
    if (holder.lease === null) yield* holdWhileSending({ video: id }, holder)
    return answer
  })

  const segment = Effect.fnUntraced(function* ({
    headers,
    params
  }: {
    readonly headers: Lease & { readonly "x-content-sha256": string; readonly [prefixHeader]?: SourcePrefix }
    readonly params: Segment
  }) {
    const request = yield* HttpServerRequest.HttpServerRequest
    const holder = yield* holderOf(headers)
    const digest = decodeDigest(headers["x-content-sha256"].replace(/^sha256:/, ""))
    if (Option.isNone(digest))
      return yield* new BadRequest({ detail: "X-Content-SHA256 must be 64 lower-case hexadecimal digits" })
    const body = requestBody(request, { maxBytes: settings.maxPartBytes })
    const started = performance.now()
    const { bytes, written } = yield* store(params, holder, {
      sha256: digest.value,
      prefix: headers[prefixHeader],
      body
    }).pipe(
      Effect.provideService(JobStore, jobs),
      Effect.provideService(MediaStore, media),
      Effect.provideService(DeliveryStore, deliveries),
      Effect.provideService(SegmentInspector, inspector),
      Effect.catchTags({
        LeaseRefused: leaseRefused(holder.lease !== null, "segment"),
        FileConflict: (error) => Effect.fail(new Conflict({ detail: error.message })),
        BytesMismatch: (error) =>
          Effect.fail(new BadRequest({ detail: `Checksum verification failed: ${error.message}` })),
        NotASegment: (error) => Effect.fail(new BadRequest({ detail: `Invalid file format: ${error.message}` })),
        BodyRefused: bodyRefused,
        MediaStoreError: diskRefused,
        StoreUnavailable: unavailable
      })
    )
    yield* observeSegment({ written, bytes, seconds: (performance.now() - started) / 1000 })
    return HttpServerResponse.jsonUnsafe({ status: "ok", written, bytes_written: bytes, checksum_verified: true })
  })

  return { source, segment }
})
