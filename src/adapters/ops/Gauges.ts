/** What a worker measures of itself when somebody asks. */
import { Effect, Layer, Metric, SubscriptionRef } from "effect"
import { Workspace } from "../../domain/ports/Workspace.ts"
import { Encoders } from "../../domain/workers/Encoders.ts"
import { WorkerState } from "../../domain/workers/WorkerState.ts"
import { makeProcessMetrics } from "../telemetry/ProcessMetrics.ts"
import { Sampler } from "../telemetry/Sampler.ts"

const gauge = (name: string, description: string) => Metric.gauge(`vlog_worker_${name}`, { description })

const tasks = gauge("tasks_active", "Tasks in hand")
const room = gauge("tasks_max", "Tasks that it works on at once")
const connected = gauge("api_connected", "1 when the last heartbeat was answered")
const phases = gauge("phase", "1 for what the worker is doing now, 0 for the rest")
const encoders = gauge("encoders", "Encoders that work on this machine, by backend")
const diskFree = gauge("disk_free_bytes", "Room left on the disk of the work folder")
const diskSize = gauge("disk_size_bytes", "Size of the disk of the work folder")

export const layer = (version: string) =>
  Layer.effect(
    Sampler,
    Effect.gen(function* () {
      const state = yield* WorkerState
      const { capabilities } = yield* Encoders
      const { space } = yield* Workspace
      const ownProcess = yield* makeProcessMetrics("worker", version)

      const sample = Effect.gen(function* () {
        const now = yield* SubscriptionRef.get(state)
        const { encoders: working = [], refused = [] } = (yield* capabilities) ?? {}
        const backends = new Set([...working, ...refused.map(({ encoder }) => encoder)].map(({ backend }) => backend))
        yield* ownProcess.sample
        yield* Metric.update(tasks, now.tasks)
        yield* Metric.update(room, now.room)
        yield* Metric.update(connected, now.connected ? 1 : 0)
        for (const phase of ["starting", "working", "draining"] as const) {
          yield* Metric.update(Metric.withAttributes(phases, { phase }), now.phase === phase ? 1 : 0)
        }
        for (const backend of backends) {
          const count = working.filter((encoder) => encoder.backend === backend).length
          yield* Metric.update(Metric.withAttributes(encoders, { backend }), count)
        }
        const { free, size } = yield* space
        yield* Metric.update(diskFree, free)
        yield* Metric.update(diskSize, size)
      }).pipe(Effect.catch((error) => Effect.logWarning("the disk could not be looked at", { problem: error.message })))

      return Sampler.of({ sample })
    })
  )
