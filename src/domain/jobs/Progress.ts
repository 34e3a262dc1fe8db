/** How far an attempt has come. Step names are those of the Worker API. */
import { Schema } from "effect"
import { RenditionName } from "../media/Rendition.ts"

export const Step = Schema.Literals([
  "download",
  "probe",
  "thumbnail",
  "transcode",
  "master_playlist",
  "upload",
  "finalize"
])
export type Step = typeof Step.Type

const Percent = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100 })))

export const RenditionStatus = Schema.Literals([
  "pending",
  "in_progress",
  "uploading",
  "completed",
  "uploaded",
  "failed",
  "skipped"
])

/**
 * `speed` is media seconds encoded per second of wall time, `secondsLeft` the estimate that follows from it. `segments`
 * is what workers of the older protocol count.
 */
export const RenditionProgress = Schema.Struct({
  name: RenditionName,
  status: RenditionStatus,
  percent: Percent,
  speed: Schema.NullOr(Schema.Finite),
  secondsLeft: Schema.NullOr(Schema.Finite),
  segments: Schema.optionalKey(Schema.Struct({ completed: Schema.Int, total: Schema.NullOr(Schema.Int) }))
})
export interface RenditionProgress extends Schema.Schema.Type<typeof RenditionProgress> {}

export const Progress = Schema.Struct({
  step: Schema.NullOr(Step),
  percent: Percent,
  renditions: Schema.Array(RenditionProgress)
})
export interface Progress extends Schema.Schema.Type<typeof Progress> {}

export const none: Progress = { step: null, percent: 0, renditions: [] }

export const percentOf = (done: number, total: number): number =>
  total <= 0 ? 0 : Math.max(0, Math.min(100, Math.floor((done / total) * 100)))
