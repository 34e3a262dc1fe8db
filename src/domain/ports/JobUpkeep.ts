/** What the cleanup needs to know of jobs and workers, beyond what the API needs. */
import type { Effect } from "effect"
import { Context, Schema } from "effect"
import { LeaseId } from "../ids.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

/** Something that the rules of the queue rule out, found in the database. */
export const Breach = Schema.Struct({
  /** Which of the invariants: `I1` to `I10`. */
  invariant: Schema.String,
  problem: Schema.String
})
export interface Breach extends Schema.Schema.Type<typeof Breach> {}

export class JobUpkeep extends Context.Service<
  JobUpkeep,
  {
    /** Tasks whose lease ran out and that nobody has taken back yet. */
    readonly expired: Effect.Effect<number, StoreUnavailable>

    /** Workers that were not heard of for so long and hold no living lease; their names. */
    silentWorkers(options: { readonly silentMinutes: number }): Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
    /** Marks them as offline, until they are heard of again. */
    markOffline(options: { readonly silentMinutes: number }): Effect.Effect<ReadonlyArray<string>, StoreUnavailable>

    /** Leases whose files may still be written, still be needed for a publication, or still be gone on with. */
    readonly reachableLeases: Effect.Effect<ReadonlySet<LeaseId>, StoreUnavailable>
    /** Publications that viewers are shown. */
    readonly publications: Effect.Effect<ReadonlyArray<LeaseId>, StoreUnavailable>

    /** Attempts without a result that ended so long ago. */
    oldAttempts(options: { readonly days: number }): Effect.Effect<number, StoreUnavailable>
    forgetAttempts(options: { readonly days: number }): Effect.Effect<number, StoreUnavailable>

    /** Asks whether the invariants hold; what breaks them. */
    readonly audit: Effect.Effect<ReadonlyArray<Breach>, StoreUnavailable>
  }
>()("vlog/domain/ports/JobUpkeep") {}
