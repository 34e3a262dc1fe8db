/** How much there is to do, and who is there to do it. */
import type { Effect } from "effect"
import { Context, Schema } from "effect"
import { VideoCodec } from "../media/Codec.ts"
import { WorkerStatus } from "../workers/Worker.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

/** Above, at and below 0. */
export const priorities = ["high", "normal", "low"] as const
/** The codec that a task requires, and `any` for one that is content with what its worker has. */
export const requirements = ["any", ...VideoCodec.literals] as const

export const Figures = Schema.Struct({
  queued: Schema.Int,
  active: Schema.Int,
  /** Of the active ones: those whose lease has run out. */
  expired: Schema.Int,
  /** Attempts of the last hour whose lease ran out and was taken back, by whomever. */
  lost: Schema.Int,
  /** `waiting` has only what there is; `delayed` may not be taken yet. */
  queue: Schema.Struct({
    waiting: Schema.Array(
      Schema.Struct({
        priority: Schema.Literals(priorities),
        requirement: Schema.Literals(requirements),
        tasks: Schema.Int
      })
    ),
    forGpu: Schema.Int,
    delayed: Schema.Int,
    oldestSeconds: Schema.Finite
  }),
  videos: Schema.Struct({
    pending: Schema.Int,
    processing: Schema.Int,
    ready: Schema.Int,
    failed: Schema.Int
  }),
  sourceBytes: Schema.Finite,
  workers: Schema.Array(
    Schema.Struct({ name: Schema.String, status: WorkerStatus, heartbeatAgeSeconds: Schema.NullOr(Schema.Finite) })
  )
})
export interface Figures extends Schema.Schema.Type<typeof Figures> {}

export class FarmFigures extends Context.Service<
  FarmFigures,
  { readonly read: Effect.Effect<Figures, StoreUnavailable> }
>()("vlog/domain/ports/FarmFigures") {}
