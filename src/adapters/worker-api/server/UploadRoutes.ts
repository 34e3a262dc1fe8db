/** How workers of the older protocol deliver: archives, and questions about what has arrived. */
import { Effect, Schema } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import type { LeaseId, VideoId } from "../../../domain/ids.ts"
import { findPlaylist, missingOf } from "../../../domain/jobs/Delivery.ts"
import type { DeliveredFile } from "../../../domain/media/Delivered.ts"
import { RenditionName } from "../../../domain/media/Rendition.ts"
import { ArchiveReader } from "../../../domain/ports/ArchiveReader.ts"
import { DeliveryStore } from "../../../domain/ports/DeliveryStore.ts"
import { JobStore } from "../../../domain/ports/JobStore.ts"
import { MediaStore } from "../../../domain/ports/MediaStore.ts"
import { SegmentInspector } from "../../../domain/ports/SegmentInspector.ts"
import { receiveArchive } from "../../../domain/programs/ReceiveDelivery.ts"
import { Api } from "../contract/Api.ts"
import type { leaseHeader } from "../contract/Auth.ts"
import { BadRequest, Unprocessable } from "../contract/Errors.ts"
import { type Accept, anything, finalFiles, members, ofQuality } from "./Archives.ts"
import { withFilePart } from "./FilePart.ts"
import { bodyRefused, diskRefused, leaseRefused, unavailable } from "./Refusals.ts"
import { holderOf } from "./Reports.ts"
import { ApiSettings, ArchiveBounds } from "./Settings.ts"

const isRenditionName = Schema.is(RenditionName)

const finalFileCount = 10

const counted = /\.(?:m4s|ts|mp4)$/
const listed = /\.(?:m4s|ts|mp4|m3u8)$/

export const uploadRoutes = HttpApiBuilder.group(
  Api,
  "uploads",
  Effect.fn(function* (handlers) {
    const settings = yield* ApiSettings
    const bounds = yield* ArchiveBounds
    const jobs = yield* JobStore
    const media = yield* MediaStore
    const deliveries = yield* DeliveryStore
    const inspector = yield* SegmentInspector
    const archives = yield* ArchiveReader

    const receive = Effect.fnUntraced(function* (
      to: {
        readonly headers: { readonly [leaseHeader]?: LeaseId }
        readonly params: { readonly video_id: VideoId }
      },
      what: { readonly accept: Accept; readonly maxFiles: number; readonly maxBytes: number }
    ) {
      const request = yield* HttpServerRequest.HttpServerRequest
      const holder = yield* holderOf(to.headers)
      const subject = { video: to.params.video_id }
      const refuse = leaseRefused(holder.lease !== null, "transfer")
      // Looked at before the form is: who holds nothing need not send it.
      yield* jobs.held(subject, holder).pipe(Effect.catchTags({ LeaseRefused: refuse, StoreUnavailable: unavailable }))
      const limits = { maxFiles: what.maxFiles, maxBytes: what.maxBytes, maxFileBytes: settings.maxPartBytes }
      yield* withFilePart(request, what.maxBytes, (body) =>
        receiveArchive(subject, holder, {
          maxFileBytes: settings.maxPartBytes,
          members: members(body, limits, what.accept)
        })
      ).pipe(
        Effect.provideService(JobStore, jobs),
        Effect.provideService(MediaStore, media),
        Effect.provideService(DeliveryStore, deliveries),
        Effect.provideService(SegmentInspector, inspector),
        Effect.provideService(ArchiveReader, archives),
        Effect.catchTags({
          LeaseRefused: refuse,
          ArchiveRefused: (error) => Effect.fail(new BadRequest({ detail: error.message })),
          NotASegment: (error) => Effect.fail(new BadRequest({ detail: `Invalid file format: ${error.message}` })),
          BytesMismatch: (error) => Effect.fail(new BadRequest({ detail: `File too large: ${error.message}` })),
          BodyRefused: bodyRefused,
          MediaStoreError: diskRefused,
          StoreUnavailable: unavailable
        })
      )
    })

    const filesOf = Effect.fnUntraced(
      function* (headers: { readonly [leaseHeader]?: LeaseId }, video: VideoId) {
        const holder = yield* holderOf(headers)
        const { leaseId } = yield* Effect.catchTag(
          jobs.held({ video }, holder),
          "LeaseRefused",
          leaseRefused(holder.lease !== null, "segment")
        )
        return { holder, files: yield* deliveries.files(leaseId) }
      },
      Effect.catchTag("StoreUnavailable", unavailable)
    )

    const ok = (message: string) => HttpServerResponse.jsonUnsafe({ status: "ok", message })

    return handlers
      .handleRaw(
        "quality",
        Effect.fnUntraced(function* ({ headers, params }) {
          if (!isRenditionName(params.quality)) return yield* new BadRequest({ detail: "Invalid quality" })
          yield* receive({ headers, params }, { accept: ofQuality(params.quality), ...bounds })
          return ok(`Quality ${params.quality} uploaded successfully`)
        })
      )
      .handleRaw(
        "finalize",
        Effect.fnUntraced(function* (to) {
          yield* receive(to, { accept: finalFiles, maxFiles: finalFileCount, maxBytes: settings.maxPartBytes })
          return ok("Finalize files uploaded successfully")
        })
      )
      .handleRaw(
        "whole",
        Effect.fnUntraced(function* (to) {
          yield* receive(to, { accept: anything, ...bounds })
          return ok("HLS files uploaded successfully")
        })
      )
      .handle(
        "segments",
        Effect.fnUntraced(function* ({ headers, params, query }) {
          if (!isRenditionName(query.quality)) return yield* new BadRequest({ detail: "Invalid quality" })
          const folder = `${query.quality}/`
          const { files } = yield* filesOf(headers, params.video_id)
          const found = files.filter(({ path }) => path.startsWith(folder) && listed.test(path))
          return {
            quality: query.quality,
            received_segments: found.map(({ path }) => path.slice(folder.length)).toSorted(),
            total_size_bytes: found.reduce((sum, { bytes }) => sum + bytes, 0)
          }
        })
      )
      .handle(
        "finalizeSegments",
        Effect.fnUntraced(function* ({ headers, params, payload }) {
          const { quality } = payload
          if (!isRenditionName(quality)) {
            const msg = `Value error, Invalid quality '${quality.slice(0, 100)}'`
            return yield* new Unprocessable({ detail: [{ type: "value_error", loc: ["body", "quality"], msg }] })
          }
          const { files, holder } = yield* filesOf(headers, params.video_id)
          const missing = missingFrom(files, quality, payload)
          if (missing.length > 0) return { status: "incomplete" as const, complete: false, missing_segments: missing }
          yield* deliveries.put({ video: params.video_id }, holder, []).pipe(
            Effect.catchTags({
              LeaseRefused: leaseRefused(holder.lease !== null, "segment"),
              StoreUnavailable: unavailable
            })
          )
          return { status: "ok" as const, complete: true, missing_segments: [] }
        })
      )
  })
)

/**
 * The older worker removes its files before it counts them and says 0, so that its count proves nothing: what proves it
 * is the playlist that it sent last.
 */
const missingFrom = (
  delivered: ReadonlyArray<DeliveredFile>,
  quality: RenditionName,
  claimed: { readonly segment_count: number; readonly manifest_checksum?: string | null }
): ReadonlyArray<string> => {
  const inFolder = delivered.filter(({ path }) => path.startsWith(`${quality}/`))
  if (inFolder.length === 0) return ["<quality directory not found>"]
  const count = inFolder.filter(({ path }) => counted.test(path)).length
  if (count < claimed.segment_count) return [`Expected ${claimed.segment_count} segments, found ${count}`]
  const files = new Map(delivered.map((file) => [file.path as string, file]))
  const playlist = findPlaylist(files, quality)
  if (playlist === undefined) return ["stream.m3u8"]
  const checksum = claimed.manifest_checksum?.replace(/^sha256:/, "")
  if (checksum !== undefined && checksum !== "" && checksum !== playlist.sha256) return ["Manifest checksum mismatch"]
  if (!playlist.facts.ended) return ["stream.m3u8 (it has no end)"]
  return missingOf(files, playlist)
}
