/** Tells those who follow jobs, on every replica, when to look again. Only a hint: what the store says is what counts. */
import type { Effect } from "effect"
import { Context } from "effect"
import type { JobId } from "../ids.ts"

export interface News {
  /** Jobs that are not as they were; null when any may have changed. */
  readonly about: ReadonlySet<JobId> | null
  /** What comes after it. */
  readonly next: Effect.Effect<News>
}

export class JobNews extends Context.Service<
  JobNews,
  {
    /** Says that a job changed. Gathered for a moment, so that this may be said often. */
    tell(job: JobId): Effect.Effect<void>
    /** From here on: the inner effect waits for the next news, and each leads to the one after it. None is left out. */
    readonly watch: Effect.Effect<Effect.Effect<News>>
  }
>()("vlog/domain/ports/JobNews") {}
