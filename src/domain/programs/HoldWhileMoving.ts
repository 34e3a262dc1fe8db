/**
 * A worker of the older protocol says nothing while it downloads a source, and its claim must not run out for that: it
 * would be the end of a source that is large or on a slow line. One that takes no more bytes keeps nothing.
 */
import { Effect } from "effect"
import { DeliveryStore } from "../ports/DeliveryStore.ts"
import type { Holder, Subject } from "../ports/JobStore.ts"

/** The shortest claim that an operator can set is a minute. */
const pause = "20 seconds"

/** Runs until the claim is lost or it is interrupted. `moved` is the number of bytes that were transferred so far. */
export const holdWhileMoving = Effect.fnUntraced(
  function* (subject: Subject, holder: Holder, moved: Effect.Effect<number>) {
    const deliveries = yield* DeliveryStore
    let before = yield* moved
    while (true) {
      yield* Effect.sleep(pause)
      const now = yield* moved
      if (now > before) {
        yield* deliveries
          .put(subject, holder, [])
          .pipe(Effect.catchTag("StoreUnavailable", (error) => Effect.logWarning("claim not extended", error.message)))
      }
      before = now
    }
  },
  // The worker is told so by the answer to whatever it says next.
  Effect.catchTag("LeaseRefused", () => Effect.void)
)
