/** An upload that goes on where it was cut, as tus 1.0.0 has it (https://tus.io/protocols/resumable-upload). */
import { Effect, Schema, type Stream } from "effect"
import type { ArrivingId } from "../ids.ts"
import { type Arriving, BytesMismatch, MediaStore, MediaStoreError } from "../ports/MediaStore.ts"
import { UploadRefused, UploadStore, type Writer } from "../ports/UploadStore.ts"
import { currentTrace, spanOf, Tracestate } from "../telemetry/TraceContext.ts"
import type { Upload } from "../videos/Upload.ts"
import { createVideo, type VideoAbout } from "./CreateVideo.ts"
import { EmptyUpload } from "./ReceiveVideo.ts"

/** There would be no room for what was announced, so that it is not begun, or not gone on with. */
export class NoRoom extends Schema.TaggedError<NoRoom>()("NoRoom", {}) {
  override get message() {
    return "The server's storage has no room for a video of this size"
  }
}

/** Whether a length that is announced now may be taken. What other uploads have announced is theirs. */
const assertTakes = Effect.fnUntraced(function* (options: {
  readonly bytes: number
  readonly there: number
  readonly maxBytes: number
  readonly about: VideoAbout
}) {
  const { about, bytes, maxBytes, there } = options
  const media = yield* MediaStore
  const uploads = yield* UploadStore
  if (bytes === 0) return yield* new EmptyUpload({ fileName: about.fileName })
  if (bytes > maxBytes) {
    return yield* new BytesMismatch({ expected: `at most ${maxBytes} bytes`, received: `${bytes}` })
  }
  if (bytes < there) {
    return yield* new BytesMismatch({ expected: `${bytes} bytes, as is said now`, received: `${there} already` })
  }
  const { free } = yield* media.space
  if (free - (yield* uploads.promised) < bytes - there) return yield* new NoRoom()
})

/** Without `bytes` they are said with a later piece. */
export const beginUpload = Effect.fn("beginUpload")(function* (options: {
  readonly bytes: number | null
  readonly maxBytes: number
  readonly about: VideoAbout
  readonly metadata: string
  readonly fingerprint: string | null
}) {
  const { bytes } = options
  const uploads = yield* UploadStore
  if (bytes !== null) yield* assertTakes({ ...options, bytes, there: 0 })
  return yield* uploads.create({ ...options, trace: yield* currentTrace })
})

/** A lost process costs its sender what came since: these bytes are sent again. */
const noteEvery = "3 seconds"

/** One that is asleep still has its file open, so that the bytes go on in another one. */
const bytesOf = Effect.fnUntraced(function* ({ token, unclean, upload }: Writer) {
  const media = yield* MediaStore
  if (upload.arriving === null || upload.received === 0) return token
  if (!unclean) return upload.arriving
  yield* media.copyArriving(upload.arriving, token, upload.received)
  return token
})

const finish = Effect.fn("finishUpload")(function* (writer: Writer, arriving: Arriving, about: VideoAbout) {
  const uploads = yield* UploadStore
  const media = yield* MediaStore
  const source = yield* arriving.whole
  const video = yield* uploads.finish(
    writer.token,
    Effect.map(createVideo(about, source), (created) => created.video)
  )
  yield* Effect.ignore(media.removeArriving(arriving.id))
  return video
})

/** Somebody emptied the folder, or the database was restored: it is not for the sender to ask again. */
const orLost = <A, E, R>(effect: Effect.Effect<A, E | MediaStoreError, R>) =>
  Effect.catchIf(
    effect,
    (error): error is E & MediaStoreError => error instanceof MediaStoreError && error.reason === "missing",
    () => new UploadRefused({ reason: "lost" })
  )

/** The trace of the video is that of the request which began its upload. */
const inItsTrace =
  ({ trace }: Upload) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    trace === null
      ? effect
      : effect.pipe(Effect.withParentSpan(spanOf(trace)), Effect.provideService(Tracestate, trace.tracestate))

/**
 * Adds to an upload what arrives, and keeps what arrived also when the rest does not, unless the piece counts only as a
 * whole (`wholly`). With the last byte it becomes a video with a job; from then on nobody waits for its sender. Gives the
 * offset reached, and the video.
 */
export const receiveUpload = Effect.fn("receiveUpload")(function* <E>(options: {
  /** As it was found. */
  readonly upload: Upload
  readonly offset: number
  /** How long the upload is, when its sender says so with this piece. */
  readonly bytes: number | null
  readonly maxBytes: number
  readonly about: VideoAbout
  readonly wholly: boolean
  readonly body: Stream.Stream<Uint8Array, E>
}) {
  const uploads = yield* UploadStore
  const media = yield* MediaStore
  const { bytes, maxBytes } = options
  let durable = options.offset

  if (bytes !== null && options.upload.bytes === null) yield* assertTakes({ ...options, bytes, there: options.offset })
  const writer = yield* Effect.acquireRelease(
    uploads.take(options.upload.id, { offset: options.offset, bytes }),
    ({ token }) =>
      Effect.catch(uploads.release(token, durable), (error) =>
        Effect.logWarning("an upload is free again only when its time is over", { problem: error.message })
      )
  )
  const { token, upload } = writer
  const keep = (arriving: ArrivingId, settled: Effect.Effect<number, Effect.Error<Arriving["settled"]>>) =>
    settled.pipe(
      Effect.tap((received) => uploads.keep(token, { received, arriving })),
      Effect.tap((received) => Effect.sync(() => (durable = received))),
      Effect.delay(noteEvery),
      Effect.forever
    )
  const alone = <A, E2, R>(effect: Effect.Effect<A, E2, R>, kept: ReturnType<typeof keep>) =>
    Effect.raceFirst(effect, Effect.interruptible(kept))

  const id = yield* alone(orLost(bytesOf(writer)), keep(upload.arriving ?? token, Effect.succeed(durable)))
  yield* uploads.keep(token, { received: durable, arriving: id })
  if (upload.arriving !== null && upload.arriving !== id) yield* Effect.ignore(media.removeArriving(upload.arriving))

  const arriving = yield* orLost(media.goOn(id, options.offset))
  const settled = Effect.tap(arriving.settled, (received) => Effect.sync(() => (durable = received)))
  if (!options.wholly) yield* Effect.addFinalizer(() => Effect.ignore(settled))
  yield* alone(
    arriving.write(options.body, { maxBytes: (upload.bytes ?? maxBytes) - options.offset }),
    keep(id, options.wholly ? Effect.succeed(options.offset) : arriving.settled)
  )
  const offset = yield* settled
  if (upload.bytes === null || offset < upload.bytes) return { offset, video: null }
  const video = yield* alone(finish(writer, arriving, options.about), keep(id, arriving.settled)).pipe(
    inItsTrace(upload),
    Effect.uninterruptible
  )
  return { offset, video }
}, Effect.scoped)
