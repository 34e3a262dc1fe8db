/** From an upload's bytes to a queued job. */
import { Effect, Schema, type Stream } from "effect"
import type { Wishes } from "../jobs/Wishes.ts"
import { MediaStore } from "../ports/MediaStore.ts"
import { VideoStore } from "../ports/VideoStore.ts"
import * as Slug from "../videos/Slug.ts"

const extensionOf = (fileName: string): string => /\.[a-z0-9]{1,8}$/i.exec(fileName)?.[0].toLowerCase() ?? ""

const titleOf = (fileName: string): string => fileName.slice(0, fileName.length - extensionOf(fileName).length).trim()

class EmptyUpload extends Schema.TaggedError<EmptyUpload>()("EmptyUpload", { fileName: Schema.String }) {
  override get message() {
    return `${this.fileName} is empty`
  }
}

/** The source is whole and durable on disk before the video and its job appear, together, in the database. */
export const receiveVideo = Effect.fn("receiveVideo")(function* <E>(options: {
  readonly fileName: string
  readonly title: string | null
  readonly wishes: Wishes
  readonly maxBytes: number
  readonly body: Stream.Stream<Uint8Array, E>
}) {
  const media = yield* MediaStore
  const videos = yield* VideoStore
  const received = yield* media.receive(options.body, { maxBytes: options.maxBytes })
  if (received.bytes === 0) return yield* new EmptyUpload({ fileName: options.fileName })
  const extension = extensionOf(options.fileName)
  const title = options.title ?? (titleOf(options.fileName) || "Untitled")
  return yield* videos.create({
    title,
    slug: Slug.fromTitle(title),
    wishes: options.wishes,
    source: { fileName: options.fileName, extension, bytes: received.bytes, sha256: received.sha256 },
    store: (id) => media.placeSource(received, id, extension)
  })
}, Effect.scoped)
