/** What operators ask of workers. */
import { Effect, Option, Redacted, Schema } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { WorkerId } from "../../../domain/ids.ts"
import { type KeyRefused, WorkerRegistry } from "../../../domain/ports/WorkerRegistry.ts"
import type { Worker } from "../../../domain/workers/Worker.ts"
import type { WorkerAnswer } from "../contract/Admin.ts"
import { Api } from "../contract/Api.ts"
import { clamped } from "../contract/Capabilities.ts"
import { BadRequest, Conflict, NotFound } from "../contract/Errors.ts"
import { unavailable } from "./Refusals.ts"

const workerAnswer = (worker: Worker): typeof WorkerAnswer.Type => ({
  id: worker.number,
  worker_id: worker.id,
  worker_type: worker.type,
  worker_name: worker.name,
  status: worker.status,
  registered_at: worker.registeredAt,
  last_heartbeat: worker.lastHeartbeat,
  current_job_id: worker.currentJob,
  current_video_slug: worker.currentSlug,
  capabilities: worker.capabilities,
  metadata: worker.metadata
})

const keyRefused = ({ reason }: KeyRefused) =>
  Effect.fail(
    reason === "taken"
      ? new Conflict({ detail: "A worker has this key already" })
      : new BadRequest({ detail: "This is no key of a VLog server: those have 43 letters, digits, - and _" })
  )

/** A day to bring a new key to a worker, if nobody says otherwise. */
const overlapSeconds = 24 * 3600

const decodeWorkerId = Schema.decodeUnknownOption(WorkerId)

export const adminRoutes = HttpApiBuilder.group(
  Api,
  "admin",
  Effect.fn(function* (handlers) {
    const registry = yield* WorkerRegistry

    return handlers
      .handle(
        "register",
        Effect.fnUntraced(function* ({ payload }) {
          const registration = {
            name: Option.fromNullishOr(payload.worker_name),
            type: payload.worker_type,
            capabilities: payload.capabilities == null ? null : clamped(payload.capabilities),
            metadata: payload.metadata ?? null
          }
          const registering = Effect.gen(function* () {
            if (payload.api_key == null) return yield* registry.register(registration)
            const key = Redacted.make(payload.api_key)
            return { id: yield* registry.adopt(registration, key), key }
          })
          const { id, key } = yield* Effect.catchTags(registering, {
            StoreUnavailable: unavailable,
            KeyRefused: keyRefused
          })
          yield* Effect.logInfo("worker registered", { worker: id })
          return {
            worker_id: id,
            api_key: Redacted.value(key),
            message: "Worker registered successfully. Store the API key securely - it won't be shown again."
          }
        })
      )
      .handle(
        "workers",
        Effect.fnUntraced(function* () {
          const workers = yield* Effect.catchTag(registry.list, "StoreUnavailable", unavailable)
          const count = (statuses: ReadonlyArray<string>) =>
            workers.filter((worker) => statuses.includes(worker.status)).length
          return {
            workers: workers.map(workerAnswer),
            total_count: workers.length,
            active_count: count(["active", "idle", "busy"]),
            offline_count: count(["offline"])
          }
        })
      )
      .handle(
        "revoke",
        Effect.fnUntraced(function* ({ params }) {
          const id = decodeWorkerId(params.worker_id)
          const revoked =
            Option.isSome(id) && (yield* Effect.catchTag(registry.revoke(id.value), "StoreUnavailable", unavailable))
          if (!revoked) return yield* new NotFound({ detail: "Worker not found" })
          yield* Effect.logInfo("worker revoked", { worker: params.worker_id })
          return { status: "ok" as const, message: `Worker ${params.worker_id} has been revoked` }
        })
      )
      .handle(
        "rotate",
        Effect.fnUntraced(function* ({ params, query }) {
          const id = decodeWorkerId(params.worker_id)
          const rotated = Option.isNone(id)
            ? Option.none()
            : yield* Effect.catchTag(
                registry.rotate(id.value, query.overlap ?? overlapSeconds),
                "StoreUnavailable",
                unavailable
              )
          if (Option.isNone(id) || Option.isNone(rotated)) return yield* new NotFound({ detail: "Worker not found" })
          yield* Effect.logInfo("key rotated", { worker: id.value })
          const { key, othersExpireAt } = rotated.value
          return { worker_id: id.value, api_key: Redacted.value(key), others_expire_at: othersExpireAt }
        })
      )
  })
)
