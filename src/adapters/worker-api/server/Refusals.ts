/** The domain's refusals in the words of the protocol. */
import { Effect } from "effect"
import type { JobRefused } from "../../../domain/ports/JobControl.ts"
import type { LeaseRefused } from "../../../domain/ports/JobStore.ts"
import type { MediaStoreError } from "../../../domain/ports/MediaStore.ts"
import type { StoreUnavailable } from "../../../domain/ports/StoreUnavailable.ts"
import type { BodyRefused } from "../../http/Body.ts"
import { BadRequest, BodyTimeout, Conflict, Forbidden, NotFound, StorageFull, Unavailable } from "../contract/Errors.ts"

/** Details go to the log: a stranger need not know where the database is. */
export const unavailable = (error: StoreUnavailable) =>
  Effect.andThen(
    Effect.logError("database unavailable", { problem: error.message }),
    Effect.fail(new Unavailable({ detail: "Database temporarily unavailable, please retry" }))
  )

const lost = "Claim expired - job may have been reassigned"

/** What stands for a claim that is not the caller's, by the kind of route: the protocol has three. */
const words = {
  job: { foreign: "Not your job", expired: lost },
  transfer: { foreign: "Not your job or job not found", expired: lost },
  segment: { foreign: "Not your job", expired: "Claim expired" }
} as const

/**
 * 409 is what makes a caller stop, so that it is the answer to everybody whose claim was good once. Only who names a
 * lease is told what became of it.
 */
export const leaseRefused =
  (named: boolean, about: keyof typeof words = "job") =>
  (error: LeaseRefused): Effect.Effect<never, Conflict | Forbidden | NotFound> => {
    const { expired, foreign } = words[about]
    if (error.reason === "never-held") return Effect.fail(new Forbidden({ detail: foreign }))
    if (error.reason !== "not-found") return Effect.fail(new Conflict({ detail: named ? error.message : expired }))
    return Effect.fail(
      about === "job" || named ? new NotFound({ detail: "Job not found" }) : new Forbidden({ detail: foreign })
    )
  }

export const jobRefused = (error: JobRefused): Effect.Effect<never, Conflict | NotFound> =>
  error.reason === "not-found"
    ? Effect.fail(new NotFound({ detail: "Job not found" }))
    : Effect.fail(new Conflict({ detail: error.message }))

export const bodyRefused = (error: BodyRefused): Effect.Effect<never, BadRequest | BodyTimeout> => {
  switch (error.reason) {
    case "too-large":
      return Effect.fail(new BadRequest({ detail: "File too large" }))
    case "stalled":
      return Effect.fail(new BodyTimeout({ detail: error.message }))
    case "broken":
      return Effect.fail(new BadRequest({ detail: error.message }))
  }
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
