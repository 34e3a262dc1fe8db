/** Looks into a file of a rendition and says what it is, from its boxes alone. */
import type { Effect } from "effect"
import { Context, Schema } from "effect"
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
  }
>()("vlog/domain/ports/SegmentInspector") {}
