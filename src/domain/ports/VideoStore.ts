/** Where videos are kept, and which output of each is the published one. */
import type { Effect, Option } from "effect"
import { Context } from "effect"
import type { JobId, LeaseId, Sha256, VideoId } from "../ids.ts"
import type { Wishes } from "../jobs/Wishes.ts"
import type { Published } from "../media/PlaylistPresentation.ts"
import type { Slug } from "../videos/Slug.ts"
import type { RemovedVideo, SourceFile, Video, VideoStatus } from "../videos/Video.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

export interface VideoFilter {
  readonly sha256?: Sha256 | undefined
  readonly status?: VideoStatus | undefined
  /** Is in the slug or in the title, in any case of letters. */
  readonly text?: string | undefined
}

export class VideoStore extends Context.Service<
  VideoStore,
  {
    /**
     * Notes a video and queues its job, both or neither. `store` puts the source in its place under the new id before
     * the transaction ends; the slug is the first free variant of the wanted one.
     */
    create<E>(options: {
      readonly title: string
      readonly slug: Slug
      readonly source: SourceFile
      readonly wishes: Wishes
      store(id: VideoId): Effect.Effect<void, E>
    }): Effect.Effect<{ readonly video: Video; readonly job: JobId }, StoreUnavailable | E>

    bySlug(slug: string): Effect.Effect<Option.Option<Video>, StoreUnavailable>
    byId(id: VideoId): Effect.Effect<Option.Option<Video>, StoreUnavailable>
    /** Newest first. */
    list(
      options: VideoFilter & {
        readonly limit: number
        readonly offset: number
      }
    ): Effect.Effect<ReadonlyArray<Video>, StoreUnavailable>
    count(filter: VideoFilter): Effect.Effect<number, StoreUnavailable>

    /**
     * Takes a video out with its jobs and all they made, and ends its workers' leases. Its files are noted, so that they
     * can be removed then. None when there is no such video.
     */
    remove(
      slug: string
    ): Effect.Effect<Option.Option<{ readonly removed: RemovedVideo; readonly endedLeases: number }>, StoreUnavailable>
    /** Whether a video of this slug was removed, as far back as that is remembered. */
    wasRemoved(slug: string): Effect.Effect<boolean, StoreUnavailable>
    /** Removed videos whose files may still be there. */
    readonly withFilesLeft: Effect.Effect<ReadonlyArray<RemovedVideo>, StoreUnavailable>
    noteFilesRemoved(video: VideoId): Effect.Effect<void, StoreUnavailable>
    /** Forgets removals that are so old and whose files are gone. */
    forgetRemoved(options: { readonly days: number }): Effect.Effect<void, StoreUnavailable>

    /** Whether the video's viewers may read this publication, also one that a newer has replaced: players go on with it. */
    isPublished(slug: string, publication: LeaseId): Effect.Effect<boolean, StoreUnavailable>
    publication(video: VideoId, publication: LeaseId): Effect.Effect<Option.Option<Published>, StoreUnavailable>
  }
>()("vlog/domain/ports/VideoStore") {}
