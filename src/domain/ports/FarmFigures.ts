/** How much there is to do, and who is there to do it. */
import type { Effect } from "effect"
import { Context, Schema } from "effect"
import { WorkerStatus } from "../workers/Worker.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

export const Figures = Schema.Struct({
  queued: Schema.Int,
  active: Schema.Int,
  videos: Schema.Struct({
    pending: Schema.Int,
    processing: Schema.Int,
    ready: Schema.Int,
    failed: Schema.Int
  }),
  workers: Schema.Array(
    Schema.Struct({ name: Schema.String, status: WorkerStatus, heartbeatAgeSeconds: Schema.NullOr(Schema.Finite) })
  )
})
export interface Figures extends Schema.Schema.Type<typeof Figures> {}

export class FarmFigures extends Context.Service<
  FarmFigures,
  { readonly read: Effect.Effect<Figures, StoreUnavailable> }
>()("vlog/domain/ports/FarmFigures") {}
