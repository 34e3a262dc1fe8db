/** From a source that is whole and durable on disk to a queued job. */
import { Effect } from "effect"
import type { Wishes } from "../jobs/Wishes.ts"
import { MediaStore, type Received } from "../ports/MediaStore.ts"
import { VideoStore } from "../ports/VideoStore.ts"
import * as Slug from "../videos/Slug.ts"

/** What its owner says of a video. */
export interface VideoAbout {
  readonly fileName: string
  readonly title: string | null
  readonly wishes: Wishes
}

const extensionOf = (fileName: string): string => /\.[a-z0-9]{1,8}$/i.exec(fileName)?.[0].toLowerCase() ?? ""

const titleOf = (fileName: string): string => fileName.slice(0, fileName.length - extensionOf(fileName).length).trim()

/** The video and its job appear in the database together, and the source is in its place by then. */
export const createVideo = Effect.fn("createVideo")(function* (
  { fileName, title, wishes }: VideoAbout,
  source: Received
) {
  const media = yield* MediaStore
  const videos = yield* VideoStore
  const extension = extensionOf(fileName)
  const named = title?.trim() || titleOf(fileName) || "Untitled"
  return yield* videos.create({
    title: named,
    slug: Slug.fromTitle(named),
    wishes,
    source: { fileName, extension, bytes: source.bytes, sha256: source.sha256 },
    store: (id) => media.placeSource(source, id, extension)
  })
})
