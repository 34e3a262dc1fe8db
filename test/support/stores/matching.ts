/** Which worker gets which task, by what the job asks for and what the worker can do. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import type { VideoCodec } from "../../../src/domain/media/Codec.ts"
import type { WorkerId } from "../../../src/domain/ids.ts"
import {
  bytesPerPixelSecond,
  processorCost,
  profitsFromGpu,
  type Wishes,
  worthWaiting
} from "../../../src/domain/jobs/Wishes.ts"
import { JobStore } from "../../../src/domain/ports/JobStore.ts"
import { VideoStore } from "../../../src/domain/ports/VideoStore.ts"
import { WorkerRegistry } from "../../../src/domain/ports/WorkerRegistry.ts"
import * as Slug from "../../../src/domain/videos/Slug.ts"
import { sha256 } from "../../domain/support/ids.ts"
import { StoreHands, type Test } from "./contract.ts"

const large = Math.ceil(worthWaiting * bytesPerPixelSecond)

const upload = Effect.fnUntraced(function* (wishes: Partial<Wishes> = {}, bytes = 1000) {
  const videos = yield* VideoStore
  const { job } = yield* videos.create({
    title: "Film",
    slug: Slug.fromTitle("Film"),
    wishes: { priority: 0, ...wishes },
    source: { fileName: "film.mp4", extension: ".mp4", bytes, sha256: sha256(1) },
    store: () => Effect.void
  })
  return job
})

const worker = Effect.fnUntraced(function* (
  options: { readonly gpu?: boolean; readonly codecs?: ReadonlyArray<VideoCodec>; readonly status?: "busy" } = {}
) {
  const registry = yield* WorkerRegistry
  const { id } = yield* registry.register({
    name: Option.none(),
    type: "remote",
    capabilities: null,
    metadata: null
  })
  yield* registry.heartbeat(id, {
    status: options.status ?? "idle",
    metadata: {
      capabilities: { hwaccel_enabled: options.gpu ?? false, supported_codecs: options.codecs ?? ["h264", "hevc"] }
    }
  })
  return id
})

const claim = Effect.fnUntraced(function* (id: WorkerId, gpuWaitSeconds = 60) {
  const jobs = yield* JobStore
  return Option.getOrNull(yield* jobs.claim({ worker: id, leaseSeconds: 60, job: Option.none(), gpuWaitSeconds }))
})

const claimedJob = (id: WorkerId, gpuWaitSeconds?: number) =>
  Effect.map(claim(id, gpuWaitSeconds), (task) => task?.jobId ?? null)

export const matching = (test: Test) => {
  test("gives a job that requires a codec only to who has it, and tells the wish", () =>
    Effect.gen(function* () {
      const plain = yield* worker({ codecs: ["h264"] })
      const able = yield* worker({ codecs: ["h264", "av1"] })
      const required = yield* upload({ priority: 1, codec: { name: "av1", required: true } })
      const preferred = yield* upload({ codec: { name: "hevc", required: false } })
      const any = yield* upload()
      const first = yield* claim(plain)
      assert.deepInclude(first, { jobId: preferred, codec: { name: "hevc", required: false } })
      assert.deepInclude(yield* claim(plain), { jobId: any, codec: null })
      assert.isNull(yield* claim(plain))
      assert.deepInclude(yield* claim(able), { jobId: required, codec: { name: "av1", required: true } })
    }))

  test("gives those who ask at once what each can do, the first of them the first", () =>
    Effect.gen(function* () {
      const [one, able, two, three] = yield* Effect.all([
        worker({ codecs: ["h264"] }),
        worker({ codecs: ["h264", "av1"] }),
        worker({ codecs: ["h264"] }),
        worker({ codecs: ["h264"] })
      ])
      const last = yield* upload()
      const first = yield* upload({ priority: 1 })
      const required = yield* upload({ priority: 2, codec: { name: "av1", required: true } })
      const given = yield* Effect.forEach(
        [one!, able!, two!, three!],
        (id) => Effect.map(claim(id), (task) => task && [task.jobId, task.attempt]),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(given, [[first, 1], [required, 1], [last, 1], null])
      const jobs = yield* JobStore
      const [attempt] = yield* jobs.attempts(required)
      assert.strictEqual(attempt?.worker, able)
    }))

  test("takes a worker that never said what it can do for one that does H.264", () =>
    Effect.gen(function* () {
      const registry = yield* WorkerRegistry
      const silent = yield* registry.register({
        name: Option.none(),
        type: "remote",
        capabilities: null,
        metadata: null
      })
      yield* upload({ priority: 1, codec: { name: "hevc", required: true } })
      const h264 = yield* upload({ codec: { name: "h264", required: true } })
      assert.strictEqual(yield* claimedJob(silent.id), h264)
      assert.isNull(yield* claim(silent.id))
    }))

  test("begins no job before its time, and takes a time that is over for now", () =>
    Effect.gen(function* () {
      const able = yield* worker()
      const now = yield* upload()
      const soon = yield* upload({ runAt: new Date(Date.now() + 3600_000), priority: 9 })
      const past = yield* upload({ runAt: new Date(0) })
      assert.strictEqual(yield* claimedJob(able), now)
      assert.strictEqual(yield* claimedJob(able), past)
      assert.isNull(yield* claim(able))
      yield* StoreHands.use((hands) => hands.delayJob(soon, -3601))
      assert.strictEqual(yield* claimedJob(able), soon)
    }))

  test("leaves to an idle GPU what profits from one, and nothing else", () =>
    Effect.gen(function* () {
      const cpu = yield* worker()
      const gpu = yield* worker({ gpu: true })
      const heavy = yield* upload({ priority: 1 }, large)
      const light = yield* upload({}, large - 2)
      assert.strictEqual(yield* claimedJob(cpu), light)
      assert.isNull(yield* claim(cpu))
      assert.strictEqual(yield* claimedJob(gpu), heavy)
    }))

  test("leaves it for a bounded time only, and not at all where it is not to wait", () =>
    Effect.gen(function* () {
      const cpu = yield* worker()
      yield* worker({ gpu: true })
      const old = yield* upload({}, large)
      const young = yield* upload({}, large)
      yield* StoreHands.use((hands) => hands.delayJob(old, -61))
      assert.strictEqual(yield* claimedJob(cpu), old)
      assert.isNull(yield* claim(cpu))
      assert.strictEqual(yield* claimedJob(cpu, 0), young)
    }))

  test("does not wait for a GPU that is busy, that is not heard of, or that cannot do it", () =>
    Effect.gen(function* () {
      const cpu = yield* worker()
      const codec = { name: "hevc", required: true } as const
      yield* worker({ gpu: true, codecs: ["h264"] })
      const needed = yield* upload({ codec }, large)
      assert.strictEqual(yield* claimedJob(cpu), needed, "it cannot make HEVC")
      yield* StoreHands.use((hands) => hands.reset)

      const second = yield* worker()
      yield* worker({ gpu: true, status: "busy" })
      const working = yield* worker({ gpu: true })
      yield* upload({ priority: 5 })
      // Its last heartbeat said idle, and its lease says otherwise.
      yield* claim(working)
      const heavy = yield* upload({}, large)
      assert.strictEqual(yield* claimedJob(second), heavy, "both are busy")
      yield* StoreHands.use((hands) => hands.reset)

      const third = yield* worker()
      yield* worker({ gpu: true })
      yield* StoreHands.use((hands) => hands.silenceWorkers)
      const last = yield* upload({}, large)
      assert.strictEqual(yield* claimedJob(third), last, "it may be dead")
    }))

  test("decides who profits as the domain does", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const codecs = ["h264", "hevc", "av1"] as const
      const cases = codecs.flatMap((name) => {
        const least = large / processorCost[name]
        return [Math.floor(least) - 1, Math.ceil(least)].map((bytes) => ({ name, bytes }))
      })
      const cpu = yield* worker({ codecs })
      yield* worker({ gpu: true, codecs })
      for (const { bytes, name } of cases) {
        const job = yield* upload({ codec: { name, required: false } }, bytes)
        const left = yield* jobs.claim({ worker: cpu, leaseSeconds: 60, job: Option.some(job), gpuWaitSeconds: 60 })
        assert.strictEqual(Option.isNone(left), profitsFromGpu({ bytes, facts: null }, name), `${bytes} ${name}`)
      }
    }))

  test("knows better once the source was probed", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const gpu = yield* worker({ gpu: true })
      yield* upload({}, large)
      const task = (yield* claim(gpu))!
      const holder = { worker: gpu, lease: task.leaseId }
      // Much noise, few pictures.
      const facts = { duration: 10, width: 640, height: 360 }
      const progress = { step: null, percent: 10, renditions: [] }
      yield* jobs.renew({ job: task.jobId }, holder, { progress, facts })
      yield* jobs.fail({ job: task.jobId }, holder, { error: "broken", retry: false })
      const cpu = yield* worker()
      yield* worker({ gpu: true })
      const second = Option.getOrThrow(yield* jobs.enqueue({ video: task.videoId, priority: 0 }))
      assert.strictEqual(yield* claimedJob(cpu), second)
    }))
}
