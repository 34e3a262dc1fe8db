/** What this worker is doing now, for its heartbeat and for those who ask whether it is well. */
import { Context, Effect, Layer, SubscriptionRef } from "effect"
import type { LeaseId } from "../ids.ts"

export interface WorkerActivity {
  readonly phase: "starting" | "working" | "draining"
  readonly tasks: number
  /** Tasks at once; 0 until the machine is known. */
  readonly room: number
  /** The last heartbeat was answered. */
  readonly connected: boolean
  /** Leases of which the last answer said that they were ended from the other side. */
  readonly cancelled: ReadonlyArray<LeaseId>
}

export class WorkerState extends Context.Service<WorkerState, SubscriptionRef.SubscriptionRef<WorkerActivity>>()(
  "vlog/domain/workers/WorkerState"
) {
  static readonly layer = Layer.effect(
    WorkerState,
    SubscriptionRef.make<WorkerActivity>({ phase: "starting", tasks: 0, room: 0, connected: false, cancelled: [] })
  )

  static readonly update = Effect.fnUntraced(function* (change: (activity: WorkerActivity) => Partial<WorkerActivity>) {
    const state = yield* WorkerState
    yield* SubscriptionRef.update(state, (activity) => ({ ...activity, ...change(activity) }))
  })
}
