/** A video: what a user uploaded, with one source and zero or one published output. */
import { Schema } from "effect"
import { LeaseId, Sha256, VideoId } from "../ids.ts"
import { Slug } from "./Slug.ts"

/** With its dot (".mp4"), or nothing. It becomes part of paths, on the disks of workers too. */
export const SourceExtension = Schema.String.pipe(Schema.check(Schema.isPattern(/^(?:\.[a-z0-9]{1,8})?$/)))

/** The uploaded file as it is stored. */
export const SourceFile = Schema.Struct({
  fileName: Schema.String,
  extension: SourceExtension,
  bytes: Schema.Int,
  sha256: Sha256
})
export interface SourceFile extends Schema.Schema.Type<typeof SourceFile> {}

/** What a worker's probe reported of the source, once one has looked. Duration in seconds, size in pixels as displayed. */
export const SourceFacts = Schema.Struct({
  duration: Schema.Finite,
  width: Schema.Int,
  height: Schema.Int
})
export interface SourceFacts extends Schema.Schema.Type<typeof SourceFacts> {}

/** What can be done with it: `ready` is watched, also while a newer output is made. */
export const VideoStatus = Schema.Literals(["pending", "processing", "ready", "failed"])
export type VideoStatus = typeof VideoStatus.Type

/** What is left of a deleted video: enough to find its files. */
export const RemovedVideo = Schema.Struct({
  id: VideoId,
  extension: SourceExtension,
  publications: Schema.Array(LeaseId),
  attempts: Schema.Array(LeaseId)
})
export interface RemovedVideo extends Schema.Schema.Type<typeof RemovedVideo> {}

export const Video = Schema.Struct({
  id: VideoId,
  slug: Slug,
  title: Schema.String,
  status: VideoStatus,
  source: SourceFile,
  facts: Schema.NullOr(SourceFacts),
  published: Schema.NullOr(LeaseId),
  publishedAt: Schema.NullOr(Schema.Date),
  createdAt: Schema.Date
})
export interface Video extends Schema.Schema.Type<typeof Video> {}
