/** How an encoder is kept from filling the disk with what cannot be sent as fast as it is made. */
import { Clock, Duration, Effect, Ref } from "effect"
import { Workspace, type WorkspaceError } from "../ports/Workspace.ts"

/** An encoder on a fast machine writes some tens of megabytes in this time. */
const lookEvery = "2 seconds"

/** Within this time an upload makes room again, or none ever will. */
const patience = Duration.minutes(2)

/**
 * Never succeeds. `held` is true while there is too little room, so that the encoder rests until uploads have made some;
 * fails when there is none for too long.
 */
export const keepRoom = Effect.fnUntraced(function* (
  held: Ref.Ref<boolean>
): Effect.fn.Return<never, WorkspaceError, Workspace> {
  const { room } = yield* Workspace
  let fullSince: bigint | null = null

  const wait = Effect.fnUntraced(function* (problem: WorkspaceError) {
    const now = yield* Clock.monotonicTimeNanos
    if (fullSince === null) {
      yield* Effect.logWarning("encoding waits until uploads have made room", { problem: problem.message })
      yield* Ref.set(held, true)
    }
    fullSince ??= now
    if (Number(now - fullSince) / 1e6 >= Duration.toMillis(patience)) return yield* problem
  })

  const goOn = Effect.suspend(() => {
    if (fullSince === null) return Effect.void
    fullSince = null
    return Effect.andThen(Ref.set(held, false), Effect.logInfo("there is room again, encoding goes on"))
  })

  return yield* room.pipe(
    Effect.andThen(goOn),
    Effect.catchIf(({ reason }) => reason === "full", wait),
    Effect.delay(lookEvery),
    Effect.forever
  )
})
