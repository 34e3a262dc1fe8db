/** Uploads that go on where they were cut: how far each is, and who may add to it. */
import type { Effect, Option } from "effect"
import { Context, Schema } from "effect"
import type { ArrivingId, UploadId } from "../ids.ts"
import type { TraceContext } from "../telemetry/TraceContext.ts"
import type { Upload } from "../videos/Upload.ts"
import type { Video } from "../videos/Video.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

const messages = {
  "not-found": "There is no such upload",
  expired: "The upload has expired: begin it again",
  finished: "The upload is finished",
  busy: "Another request is adding to the upload",
  offset: "The upload is not at this offset",
  length: "The upload was announced with another length",
  taken: "The upload is another request's by now",
  lost: "What was there of the upload is gone: begin it again"
} as const

export class UploadRefused extends Schema.TaggedError<UploadRefused>()("UploadRefused", {
  reason: Schema.Literals(["not-found", "expired", "finished", "busy", "offset", "length", "taken", "lost"])
}) {
  override get message() {
    return messages[this.reason]
  }
}

/** The right to add to an upload. It runs out, so that an upload outlives the process that took it. */
export interface Writer {
  readonly upload: Upload
  readonly token: ArrivingId
  /**
   * Whoever had the right before never gave it back, and may be asleep: what it has open is not to be shared with it.
   */
  readonly unclean: boolean
}

export class UploadStore extends Context.Service<
  UploadStore,
  {
    create(options: {
      /** Null when its sender does not know yet. */
      readonly bytes: number | null
      readonly metadata: string
      readonly fingerprint: string | null
      readonly trace: TraceContext | null
    }): Effect.Effect<Upload, StoreUnavailable>

    find(id: UploadId): Effect.Effect<Upload, UploadRefused | StoreUnavailable>
    /** Those that can be gone on with, newest first. */
    list(options: {
      readonly fingerprint?: string | undefined
      readonly limit: number
      readonly offset: number
    }): Effect.Effect<ReadonlyArray<Upload>, StoreUnavailable>
    count(options: { readonly fingerprint?: string | undefined }): Effect.Effect<number, StoreUnavailable>
    /** Bytes that uploads which can be gone on with still announce. */
    readonly promised: Effect.Effect<number, StoreUnavailable>

    /**
     * Takes the right to add at `offset`, in one statement, if that is where the upload is and nobody else has it. Notes
     * how long the upload is, when its sender says so only now.
     */
    take(
      id: UploadId,
      at: { readonly offset: number; readonly bytes: number | null }
    ): Effect.Effect<Writer, UploadRefused | StoreUnavailable>
    /** Keeps the right, and notes how many bytes are durable by now, and where. */
    keep(
      token: ArrivingId,
      state: { readonly received: number; readonly arriving: ArrivingId }
    ): Effect.Effect<void, UploadRefused | StoreUnavailable>
    /** Gives the right back. */
    release(token: ArrivingId, received: number): Effect.Effect<void, StoreUnavailable>
    /** Makes the video of it and notes that, both or neither; refused when the right is another's. */
    finish<E, R>(
      token: ArrivingId,
      create: Effect.Effect<Video, E, R>
    ): Effect.Effect<Video, E | UploadRefused | StoreUnavailable, R>

    /** Takes an upload out; what was made of it stays. Gives where its bytes are. */
    remove(id: UploadId): Effect.Effect<Option.Option<Pick<Upload, "arriving">>, StoreUnavailable>
  }
>()("vlog/domain/ports/UploadStore") {}
