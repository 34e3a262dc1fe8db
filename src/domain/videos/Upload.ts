/** A video that arrives in as many pieces as its sender's connection breaks into. */
import { Schema } from "effect"
import { ArrivingId, UploadId, VideoId } from "../ids.ts"
import { TraceContext } from "../telemetry/TraceContext.ts"

export const Upload = Schema.Struct({
  id: UploadId,
  /** As announced; null until it is, and never changed then. */
  bytes: Schema.NullOr(Schema.Int),
  /** How many of them are durable. */
  received: Schema.Int,
  /** What its sender said of it, as it was sent. */
  metadata: Schema.String,
  /** By which its sender finds it again. */
  fingerprint: Schema.NullOr(Schema.String),
  /** Where its bytes are; null before the first, and after the last. */
  arriving: Schema.NullOr(ArrivingId),
  /** The trace that began it. */
  trace: Schema.NullOr(TraceContext),
  createdAt: Schema.Date,
  /** Nothing is taken after that; each piece puts it off. */
  expiresAt: Schema.Date,
  /** What became of it. */
  video: Schema.NullOr(VideoId)
})
export interface Upload extends Schema.Schema.Type<typeof Upload> {}
