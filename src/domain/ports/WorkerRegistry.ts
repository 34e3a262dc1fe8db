/** Who may work, and who was last heard of when. */
import type { Effect, Option, Redacted } from "effect"
import { Context, Schema } from "effect"
import type { JobId, LeaseId, WorkerId } from "../ids.ts"
import type { Worker, WorkerStatus } from "../workers/Worker.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

/** The caller did not prove who it is. The reason never tells more than a stranger may know. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()("Unauthenticated", {
  reason: Schema.Literals(["missing", "invalid", "expired", "disabled"])
}) {}

export interface Registration {
  readonly name: Option.Option<string>
  readonly type: "local" | "remote"
  readonly capabilities: unknown
  readonly metadata: unknown
}

/** The key that was brought is a worker's already, or no key at all. */
export class KeyRefused extends Schema.TaggedError<KeyRefused>()("KeyRefused", {
  reason: Schema.Literals(["taken", "malformed"])
}) {}

export class WorkerRegistry extends Context.Service<
  WorkerRegistry,
  {
    /** Adds a worker and mints its key, which is shown this once. */
    register(
      options: Registration
    ): Effect.Effect<{ readonly id: WorkerId; readonly key: Redacted.Redacted }, StoreUnavailable>

    /** Adds a worker that has its key from a VLog server: 43 characters of URL-safe base64. */
    adopt(options: Registration, key: Redacted.Redacted): Effect.Effect<WorkerId, KeyRefused | StoreUnavailable>

    authenticate(key: Redacted.Redacted): Effect.Effect<WorkerId, Unauthenticated | StoreUnavailable>

    /** Notes that a worker is alive. What it does not mention stays as it was. */
    heartbeat(
      worker: WorkerId,
      report: { readonly status: WorkerStatus; readonly metadata: unknown }
    ): Effect.Effect<Worker, StoreUnavailable>

    /** Leases that were ended over this worker's head of late: it may not have noticed yet. */
    cancelled(
      worker: WorkerId
    ): Effect.Effect<ReadonlyArray<{ readonly job: JobId; readonly lease: LeaseId }>, StoreUnavailable>

    readonly list: Effect.Effect<ReadonlyArray<Worker>, StoreUnavailable>

    /**
     * Mints another key. The newest of those before it goes on for `overlapSeconds`, at most, and all others end at once.
     * None when there is no such worker or it is disabled.
     */
    rotate(
      worker: WorkerId,
      overlapSeconds: number
    ): Effect.Effect<
      Option.Option<{ readonly key: Redacted.Redacted; readonly othersExpireAt: Date }>,
      StoreUnavailable
    >

    /** Ends a worker's keys and its leases at once, and gives what it held to others. False when there is no such worker. */
    revoke(worker: WorkerId): Effect.Effect<boolean, StoreUnavailable>
  }
>()("vlog/domain/ports/WorkerRegistry") {}
