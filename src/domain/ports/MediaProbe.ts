/** Finds out what an uploaded file holds. */
import type { Effect } from "effect"
import { Context, Schema } from "effect"
import type { ArrivingSource } from "../media/ArrivingSource.ts"
import type { Source, SourceRejected } from "../media/Source.ts"

/** The probe itself could not be run: says nothing about the file. */
export class ProbeUnavailable extends Schema.TaggedError<ProbeUnavailable>()("ProbeUnavailable", {
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

export class MediaProbe extends Context.Service<
  MediaProbe,
  {
    /** Reads all packets of the file once, so that what it claims is held against what is there. */
    probe(path: string): Effect.Effect<Source, SourceRejected | ProbeUnavailable>
    /**
     * What `probe` will find when all is here, as the beginning of the source tells it, for which it waits; null where
     * the beginning does not, or where the source cannot be decoded in the order in which it arrives. Nothing is held
     * against what is there: `probe` has the last word.
     */
    foresee(source: ArrivingSource): Effect.Effect<Source | null, SourceRejected | ProbeUnavailable>
  }
>()("vlog/domain/ports/MediaProbe") {}
