/** Looks into a file of a rendition and says what it is, from its boxes alone. */
import type { Effect } from "effect"
import { Context, Schema } from "effect"
import type { DeliveredFacts, DeliveredPath } from "../media/Delivered.ts"
import type { SegmentFacts } from "../media/Segment.ts"

export class NotASegment extends Schema.TaggedError<NotASegment>()("NotASegment", {
  name: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `${this.name} is not what its name says: ${this.problem}`
  }
}

export class SegmentInspector extends Context.Service<
  SegmentInspector,
  {
    /** `name` tells what is expected (`init.mp4`, `seg_00000.m4s`, `poster.jpg`), `path` is where the bytes are. */
    inspect(file: { readonly name: string; readonly path: string }): Effect.Effect<SegmentFacts, NotASegment>

    /** The same for files of the older protocol, whose sound and pictures share a file; `at` is where the bytes are. */
    inspectDelivered(file: {
      readonly path: DeliveredPath
      readonly at: string
    }): Effect.Effect<DeliveredFacts, NotASegment>
  }
>()("vlog/domain/ports/SegmentInspector") {}
