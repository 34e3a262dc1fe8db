/** Where videos are kept, and which output of each is the published one. */
import type { Effect, Option } from "effect"
import { Context } from "effect"
import type { JobId, LeaseId, Sha256, VideoId } from "../ids.ts"
import type { Published } from "../media/PlaylistPresentation.ts"
import type { Slug } from "../videos/Slug.ts"
import type { SourceFile, Video } from "../videos/Video.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

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
      readonly priority: number
      store(id: VideoId): Effect.Effect<void, E>
    }): Effect.Effect<{ readonly video: Video; readonly job: JobId }, StoreUnavailable | E>

    bySlug(slug: string): Effect.Effect<Option.Option<Video>, StoreUnavailable>
    byId(id: VideoId): Effect.Effect<Option.Option<Video>, StoreUnavailable>
    list(options: {
      readonly sha256: Option.Option<Sha256>
      readonly limit: number
      readonly offset: number
    }): Effect.Effect<ReadonlyArray<Video>, StoreUnavailable>

    /** Whether the video's viewers may read this publication, also one that a newer has replaced: players go on with it. */
    isPublished(slug: string, publication: LeaseId): Effect.Effect<boolean, StoreUnavailable>
    publication(video: VideoId, publication: LeaseId): Effect.Effect<Option.Option<Published>, StoreUnavailable>
  }
>()("vlog/domain/ports/VideoStore") {}
