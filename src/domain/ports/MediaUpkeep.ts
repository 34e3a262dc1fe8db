/** What the cleanup needs to know of files, beyond what the API needs. */
import type { Effect } from "effect"
import { Context } from "effect"
import type { ArrivingId, LeaseId } from "../ids.ts"
import type { RemovedVideo } from "../videos/Video.ts"
import type { MediaStoreError } from "./MediaStore.ts"

export class MediaUpkeep extends Context.Service<
  MediaUpkeep,
  {
    /** Folders of attempts in which nothing has changed for so long. */
    idleAttempts(options: { readonly hours: number }): Effect.Effect<ReadonlyArray<LeaseId>, MediaStoreError>
    removeAttempt(lease: LeaseId): Effect.Effect<void, MediaStoreError>

    /** Removes the source of a deleted video, everything that attempts at it left, and what was published of it. */
    removeVideo(video: RemovedVideo): Effect.Effect<void, MediaStoreError>

    /** Uploads that began and did not end, in which nothing has changed for so long; their paths. */
    idleTemporaries(options: { readonly hours: number }): Effect.Effect<ReadonlyArray<string>, MediaStoreError>
    removeTemporary(path: string): Effect.Effect<void, MediaStoreError>

    /** Bytes of uploads that can be gone on with, in which nothing has changed for so long. */
    idleArriving(options: { readonly hours: number }): Effect.Effect<ReadonlyArray<ArrivingId>, MediaStoreError>
    removeArriving(id: ArrivingId): Effect.Effect<void, MediaStoreError>

    /** Whether what viewers begin with is there. */
    hasPublication(publication: LeaseId): Effect.Effect<boolean, MediaStoreError>
  }
>()("vlog/domain/ports/MediaUpkeep") {}
