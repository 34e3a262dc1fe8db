/** From a person's wish to a video of which nothing is left. */
import { Effect, Option } from "effect"
import { MediaUpkeep } from "../ports/MediaUpkeep.ts"
import { VideoStore } from "../ports/VideoStore.ts"
import type { StoreUnavailable } from "../ports/StoreUnavailable.ts"
import type { RemovedVideo } from "../videos/Video.ts"

/** What is gone is noted after it is gone: whoever is cut off between is followed by somebody who does it again. */
export const removeFiles = Effect.fn("removeFiles")(function* (video: RemovedVideo) {
  const media = yield* MediaUpkeep
  const videos = yield* VideoStore
  yield* media.removeVideo(video)
  yield* videos.noteFilesRemoved(video.id)
})

/** `earlier`: it was deleted before. `unknown`: nobody remembers such a video. */
interface Removal {
  readonly outcome: "removed" | "earlier" | "unknown"
  /** Workers whose work on it was ended. */
  readonly endedLeases: number
}

/**
 * First out of the database, so that nothing is shown or handed out whose files are missing, then from the disk. Files
 * that cannot be removed now are left to the cleanup.
 */
export const removeVideo = Effect.fn("removeVideo")(function* (
  slug: string
): Effect.fn.Return<Removal, StoreUnavailable, VideoStore | MediaUpkeep> {
  const videos = yield* VideoStore
  const found = yield* videos.remove(slug)
  if (Option.isNone(found)) return { outcome: (yield* videos.wasRemoved(slug)) ? "earlier" : "unknown", endedLeases: 0 }
  yield* removeFiles(found.value.removed).pipe(
    Effect.catch((error) =>
      Effect.logWarning("files of a deleted video are left to the cleanup", { problem: error.message })
    )
  )
  return { outcome: "removed", endedLeases: found.value.endedLeases }
})
