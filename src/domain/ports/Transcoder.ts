/** Turns a source into the segments of a plan. */
import type { Effect, Stream } from "effect"
import { Context, Schema } from "effect"
import type { Fingerprint } from "../ids.ts"
import type { ArrivingSource } from "../media/ArrivingSource.ts"
import type { Encoder } from "../media/Encoder.ts"
import type { RenditionName } from "../media/Rendition.ts"
import type { SourcePrefix } from "../media/Segment.ts"
import type { TranscodePlan } from "../media/TranscodePlan.ts"
import type { Capabilities } from "../workers/Capabilities.ts"

/**
 * `source`: the file cannot be decoded, another try gives the same. `device`: the encoder's hardware refused, another
 * encoder may do. `unfit`: it works, and does not take pictures of this size or format. `sessions`: it works, and has
 * no room for another stream now. `resources`: no room on the disk or in memory. `stalled`: no frame for a long time.
 * `crashed`: anything else.
 */
export class TranscodeFailed extends Schema.TaggedError<TranscodeFailed>()("TranscodeFailed", {
  reason: Schema.Literals(["source", "device", "unfit", "sessions", "resources", "stalled", "crashed"]),
  problem: Schema.String,
  /** The last lines that ffmpeg wrote to stderr. */
  details: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

export type TranscodeEvent =
  /** `frames` counts output pictures, with those that were there before, `speed` is media seconds per second. */
  | { readonly _tag: "Advanced"; readonly frames: number; readonly speed: number | null }
  /** Some of the source could not be decoded, and was little enough to be let pass. */
  | { readonly _tag: "Damaged"; readonly complaints: number; readonly first: string }
  | FileReady

/** A file is complete on disk and will not change. */
export interface FileReady {
  readonly _tag: "FileReady"
  readonly rendition: RenditionName
  readonly name: string
  readonly path: string
  /** What had been read by then of a source that is arriving. */
  readonly prefix?: SourcePrefix
}

export class Transcoder extends Context.Service<
  Transcoder,
  {
    /** Looks at this machine and tries every encoder on every device, which takes seconds. */
    readonly detect: Effect.Effect<Capabilities, TranscodeFailed>
    /** Makes a few frames with one of the encoders, as `detect` does. */
    tryOut(encoder: Encoder): Effect.Effect<void, TranscodeFailed>
    /**
     * Runs until the last file is ready; ending the stream early stops the encoder. Files lie below `folder`. Where the
     * first `madeSegments` segments of the pictures are there already, it makes those after them, and all of the sound.
     * From a source that is arriving it makes the same files, as far ahead as the bytes are; it begins at the beginning.
     */
    transcode(job: {
      readonly plan: TranscodePlan
      /** The path of a whole one. */
      readonly source: string | ArrivingSource
      readonly folder: string
      readonly madeSegments?: number
      /** Asked again and again: whether the encoder is to rest, which costs neither work nor patience. */
      readonly held?: Effect.Effect<boolean>
    }): Stream.Stream<TranscodeEvent, TranscodeFailed>
    /**
     * Names what decides which bytes come out: this build of ffmpeg and every option, but no device and no number of
     * threads.
     */
    fingerprint(plan: TranscodePlan): Effect.Effect<Fingerprint, TranscodeFailed>
    /** Writes one representative picture as JPEG. */
    poster(job: {
      readonly plan: TranscodePlan
      readonly source: string
      readonly path: string
    }): Effect.Effect<void, TranscodeFailed>
  }
>()("vlog/domain/ports/Transcoder") {}
