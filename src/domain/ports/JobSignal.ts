/** Wakes whoever waits for a task. Only a hint: the queue is what counts, and is looked at again in any case. */
import type { Effect } from "effect"
import { Context } from "effect"

export class JobSignal extends Context.Service<
  JobSignal,
  {
    /** From here on: the inner effect ends when a task may have become claimable since the outer one ran. */
    readonly watch: Effect.Effect<Effect.Effect<void>>
  }
>()("vlog/domain/ports/JobSignal") {}
