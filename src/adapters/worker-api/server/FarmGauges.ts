/** How the farm is, asked of the database and the disk whenever somebody wants to know. Every replica tells the same. */
import { Effect, Layer, Metric } from "effect"
import { FarmFigures, type Figures, priorities, requirements } from "../../../domain/ports/FarmFigures.ts"
import { MediaStore } from "../../../domain/ports/MediaStore.ts"
import { makeProcessMetrics } from "../../telemetry/ProcessMetrics.ts"
import { Sampler } from "../../telemetry/Sampler.ts"
import { labelOf } from "./Metrics.ts"
import { ApiSettings } from "./Settings.ts"

const gauge = (name: string, description: string) => Metric.gauge(name, { description })

const queueSize = gauge("vlog_transcoding_queue_size", "Tasks that nobody works on yet")
const queueTasks = gauge(
  "vlog_queue_tasks",
  "Tasks that a worker may take now, by priority and by the codec they require"
)
const queueForGpu = gauge("vlog_queue_gpu_tasks", "Those of them that gain much from a GPU")
const queueDelayed = gauge("vlog_queue_delayed_tasks", "Tasks that may be taken later: after a pause, or at their time")
const queueOldest = gauge(
  "vlog_queue_oldest_age_seconds",
  "For how long the oldest of them could have been taken; 0 for none"
)
const active = gauge("vlog_transcoding_jobs_active", "Tasks that workers hold")
const leases = gauge("vlog_leases", "Leases on tasks, by whether they have run out and nobody has taken them back yet")
const lost = gauge("vlog_leases_reclaimed_last_hour", "Leases that ran out and were taken back in the last hour")
const videos = gauge("vlog_videos", "Videos, by what can be done with them")
const sources = gauge("vlog_storage_sources_bytes", "Bytes of the sources of all videos")
const workers = gauge("vlog_workers", "Workers, by what they said last")
const heartbeatAge = gauge("vlog_worker_heartbeat_age_seconds", "Seconds since a worker was heard of")
const storageFree = gauge("vlog_storage_free_bytes", "Room left in the storage")
const storageSize = gauge("vlog_storage_size_bytes", "Size of the storage")

const workerStates = ["active", "idle", "busy", "offline", "disabled"] as const

const show = Effect.fnUntraced(function* (figures: Figures) {
  const { queue } = figures
  yield* Metric.update(queueSize, figures.queued)
  yield* Metric.update(queueForGpu, queue.forGpu)
  yield* Metric.update(queueDelayed, queue.delayed)
  yield* Metric.update(queueOldest, queue.oldestSeconds)
  for (const priority of priorities) {
    for (const requirement of requirements) {
      const found = queue.waiting.find((one) => one.priority === priority && one.requirement === requirement)
      yield* Metric.update(Metric.withAttributes(queueTasks, { priority, requirement }), found?.tasks ?? 0)
    }
  }
  yield* Metric.update(active, figures.active)
  yield* Metric.update(Metric.withAttributes(leases, { state: "live" }), figures.active - figures.expired)
  yield* Metric.update(Metric.withAttributes(leases, { state: "expired" }), figures.expired)
  yield* Metric.update(lost, figures.lost)
  for (const [status, count] of Object.entries(figures.videos)) {
    yield* Metric.update(Metric.withAttributes(videos, { status }), count)
  }
  yield* Metric.update(sources, figures.sourceBytes)
  for (const status of workerStates) {
    const count = figures.workers.filter((worker) => worker.status === status).length
    yield* Metric.update(Metric.withAttributes(workers, { status }), count)
  }
})

/** Who is not expected back has no age: such a series ends. */
const showHeartbeats = Effect.fnUntraced(function* (figures: Figures, shown: Set<string>) {
  const ages = new Map(
    figures.workers.flatMap(({ heartbeatAgeSeconds, name, status }) =>
      heartbeatAgeSeconds === null || status === "disabled" ? [] : [[labelOf(name), heartbeatAgeSeconds] as const]
    )
  )
  const ageOf = (name: string) => Metric.withAttributes(heartbeatAge, { worker_name: name })
  for (const name of shown) if (!ages.has(name)) yield* Metric.remove(ageOf(name))
  shown.clear()
  for (const [name, age] of ages) {
    shown.add(name)
    yield* Metric.update(ageOf(name), age)
  }
})

/** Counters of this process are worth having while the database is away. */
const patience = "2 seconds"

export const layer = Layer.effect(
  Sampler,
  Effect.gen(function* () {
    const { read } = yield* FarmFigures
    const { space } = yield* MediaStore
    const { version } = yield* ApiSettings
    const ownProcess = yield* makeProcessMetrics("api", version)
    const shown = new Set<string>()

    const sampleFarm = read.pipe(
      Effect.timeout(patience),
      Effect.flatMap((figures) => Effect.andThen(show(figures), showHeartbeats(figures, shown))),
      Effect.catch((error) => Effect.logWarning("no figures of the farm", { problem: error.message }))
    )
    const sampleStorage = space.pipe(
      Effect.timeout(patience),
      Effect.flatMap(({ free, size }) =>
        Effect.andThen(Metric.update(storageFree, free), Metric.update(storageSize, size))
      ),
      Effect.catch((error) => Effect.logWarning("no figures of the storage", { problem: error.message }))
    )
    return Sampler.of({
      sample: Effect.all([ownProcess.sample, sampleFarm, sampleStorage], { concurrency: 2, discard: true })
    })
  })
)
