/** Files on the server: sources as uploaded, attempts as workers send them, publications as viewers get them. */
import type { Effect, Scope, Stream } from "effect"
import { Context, Schema } from "effect"
import type { ArrivingId, LeaseId, Sha256, VideoId } from "../ids.ts"
import type { Delivery } from "../jobs/Delivery.ts"
import type { Presentation } from "../media/Presentation.ts"
import type { FileDigest } from "../media/Segment.ts"
import type { SourceFile } from "../videos/Video.ts"
import type { DiskSpace } from "./DiskSpace.ts"
import type { TaskOutput } from "./JobStore.ts"

/** The disk refused. `full`: nothing is broken, there is just no room. */
export class MediaStoreError extends Schema.TaggedError<MediaStoreError>()("MediaStoreError", {
  reason: Schema.Literals(["full", "missing", "unwritable"]),
  path: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    const why = this.cause instanceof Error ? this.cause.message : String(this.cause)
    if (this.reason === "full") return `The disk of ${this.path} is full: free some space`
    if (this.reason === "missing") {
      return `${this.path} is not there: VLOG_STORAGE_PATH must be the folder in which the Worker API stores, and its disk mounted`
    }
    return `${this.path} is ${this.reason}: ${why}`
  }
}

/** The bytes that arrived are not those that were announced. */
export class BytesMismatch extends Schema.TaggedError<BytesMismatch>()("BytesMismatch", {
  expected: Schema.String,
  received: Schema.String
}) {
  override get message() {
    return `Received ${this.received}, expected ${this.expected}`
  }
}

/** Bytes that are on disk but belong to nothing yet. */
export interface Received {
  readonly path: string
  readonly bytes: number
  readonly sha256: Sha256
}

/** A file that grows. What is written lies behind what was there, and is never more than was allowed. */
export interface Arriving {
  readonly id: ArrivingId
  /** Fails when more than `maxBytes` arrive. */
  write<E>(
    body: Stream.Stream<Uint8Array, E>,
    options: { readonly maxBytes: number }
  ): Effect.Effect<void, MediaStoreError | BytesMismatch | E>
  /** Makes durable what has been written by now; how many bytes of the file that is. */
  readonly settled: Effect.Effect<number, MediaStoreError>
  /** The file as it is, with its digest: read again, where it did not come at one go. */
  readonly whole: Effect.Effect<Received, MediaStoreError>
}

export class MediaStore extends Context.Service<
  MediaStore,
  {
    /**
     * Writes a stream to a temporary file, hashing as it flows, and makes it durable. Fails when more than `maxBytes`
     * arrive. The file goes away with the scope unless it was put in its place.
     */
    receive<E>(
      body: Stream.Stream<Uint8Array, E>,
      options: { readonly maxBytes: number }
    ): Effect.Effect<Received, MediaStoreError | BytesMismatch | E, Scope.Scope>

    /** Goes on with a file after its first `offset` bytes, until the scope closes; makes it where `offset` is 0. */
    goOn(id: ArrivingId, offset: number): Effect.Effect<Arriving, MediaStoreError, Scope.Scope>
    /** Makes a file of the first `bytes` of another one. */
    copyArriving(from: ArrivingId, to: ArrivingId, bytes: number): Effect.Effect<void, MediaStoreError>
    removeArriving(id: ArrivingId): Effect.Effect<void, MediaStoreError>

    /** The file keeps its other name, where the file system can do that. */
    placeSource(received: Received, id: VideoId, extension: string): Effect.Effect<void, MediaStoreError>
    sourcePath(id: VideoId, source: SourceFile): string

    /** Stores a received file in the attempt's own folder under its digest: the same file twice is one file. */
    placePart(received: Received, lease: LeaseId): Effect.Effect<void, MediaStoreError>
    partPath(lease: LeaseId, file: FileDigest): string
    /** Whether all of these are there. */
    hasParts(lease: LeaseId, files: ReadonlyArray<FileDigest>): Effect.Effect<boolean>
    /** Makes an earlier attempt's files another one's too. */
    shareParts(from: LeaseId, to: LeaseId, files: ReadonlyArray<FileDigest>): Effect.Effect<void, MediaStoreError>

    /**
     * Makes the folder that viewers will read, complete and durable, before any pointer names it. Doing it again gives
     * the same folder.
     */
    assemblePublication(
      publication: LeaseId,
      outputs: ReadonlyArray<TaskOutput>,
      presentation: Presentation
    ): Effect.Effect<void, MediaStoreError>
    /** The same for what a worker of the older protocol made: its files under its names, but for what is written anew. */
    assembleDelivery(publication: LeaseId, delivery: Delivery): Effect.Effect<void, MediaStoreError>
    /** Those of the paths that a publication lacks. */
    missing(publication: LeaseId, paths: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>>
    publicationPath(publication: LeaseId, path: string): string

    /** Removes what an ended attempt left, and temporary files of an earlier life of this program. */
    discardAttempt(lease: LeaseId): Effect.Effect<void, MediaStoreError>

    /** Writes and removes a small file: whether uploads would succeed now. */
    readonly probe: Effect.Effect<void, MediaStoreError>

    readonly space: Effect.Effect<DiskSpace, MediaStoreError>
  }
>()("vlog/domain/ports/MediaStore") {}
