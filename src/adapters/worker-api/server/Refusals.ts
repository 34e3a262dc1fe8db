/** The domain's refusals in the words of the protocol. */
import { Effect } from "effect"
import type { LeaseRefused } from "../../../domain/ports/JobStore.ts"
import type { MediaStoreError } from "../../../domain/ports/MediaStore.ts"
import type { StoreUnavailable } from "../../../domain/ports/StoreUnavailable.ts"
import { Conflict, Forbidden, NotFound, StorageFull, Unavailable } from "../contract/Errors.ts"

/** Details go to the log: a stranger need not know where the database is. */
export const unavailable = (error: StoreUnavailable) =>
  Effect.andThen(
    Effect.logError("database unavailable", { problem: error.message }),
    Effect.fail(new Unavailable({ detail: "Database temporarily unavailable, please retry" }))
  )

const lost = "Claim expired - job may have been reassigned"

/** A caller that names its lease gets 409 whenever it must stop; one that does not gets what its protocol promises. */
export const leaseRefused = (named: boolean) => (error: LeaseRefused) => {
  if (error.reason === "not-found") return Effect.fail(new NotFound({ detail: "Job not found" }))
  if (error.reason === "expired") return Effect.fail(new Conflict({ detail: lost }))
  return Effect.fail(named ? new Conflict({ detail: error.message }) : new Forbidden({ detail: "Not your job" }))
}

export const diskRefused = (error: MediaStoreError) =>
  Effect.andThen(
    Effect.logError("storage failed", { problem: error.message }),
    Effect.fail(
      error.reason === "full"
        ? new StorageFull({ detail: "The server's storage is full" })
        : new Unavailable({ detail: "The server's storage does not work, please retry" })
    )
  )
