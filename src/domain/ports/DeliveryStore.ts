/** What attempts of workers that speak the older protocol have uploaded, by the names that they gave it. */
import type { Effect } from "effect"
import { Context } from "effect"
import type { LeaseId } from "../ids.ts"
import type { DeliveredFile, DeliveredPath } from "../media/Delivered.ts"
import type { Holder, LeaseRefused, Subject } from "./JobStore.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

export class DeliveryStore extends Context.Service<
  DeliveryStore,
  {
    /**
     * Notes stored files as part of the holder's attempt, all or none. A file of the same path is replaced, since the
     * protocol has no other way to mend one. Gives a lease that is still running its full time again.
     */
    put(
      subject: Subject,
      holder: Holder,
      files: ReadonlyArray<DeliveredFile>
    ): Effect.Effect<void, LeaseRefused | StoreUnavailable>

    /** The digest of a file, or null where there is none of that path. */
    sha256(lease: LeaseId, path: DeliveredPath): Effect.Effect<string | null, StoreUnavailable>

    files(lease: LeaseId): Effect.Effect<ReadonlyArray<DeliveredFile>, StoreUnavailable>
  }
>()("vlog/domain/ports/DeliveryStore") {}
