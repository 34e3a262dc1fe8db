/** JobSignal by LISTEN: one connection for all who wait. */
import { Deferred, Effect, Exit, Layer, Stream } from "effect"
import { JobSignal } from "../../domain/ports/JobSignal.ts"
import { Db } from "./Db.ts"

const channel = "vlog_task"

export const layer = Layer.effect(
  JobSignal,
  Effect.gen(function* () {
    const db = yield* Db
    let next = Deferred.makeUnsafe<void>()
    const wake = Effect.sync(() => {
      const woken = next
      next = Deferred.makeUnsafe()
      Deferred.doneUnsafe(woken, Exit.void)
    })
    // To have just connected means that something may have been missed.
    yield* Effect.forkScoped(Stream.runForEach(db.listen(channel), () => wake))
    return JobSignal.of({ watch: Effect.sync(() => Deferred.await(next)) })
  })
)
