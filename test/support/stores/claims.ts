/** Which task is given next, and to whom. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { type JobId } from "../../../src/domain/ids.ts"
import { type ClaimedTask, JobStore } from "../../../src/domain/ports/JobStore.ts"
import type { Test } from "./contract.ts"
import { addVideo, addWorker, claimAny, claimOne, hands, jobOf } from "./given.ts"

export const claims = (test: Test) => {
  test("gives tasks by priority, then by when they may run, then by age", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const worker = yield* addWorker()
      const low = yield* addVideo(-1)
      const old = yield* addVideo()
      const young = yield* addVideo()
      const early = yield* addVideo()
      const urgent = yield* addVideo(5)
      const tomorrow = yield* addVideo(9)
      yield* hands((store) => store.delayJob(early.job, -3600))
      yield* hands((store) => store.delayJob(tomorrow.job, 3600))
      const given: Array<JobId> = []
      for (let next = yield* claimAny(worker.id); Option.isSome(next); next = yield* claimAny(worker.id)) {
        given.push(next.value.jobId)
      }
      assert.deepStrictEqual(given, [urgent.job, early.job, old.job, young.job, low.job])
      assert.isTrue(
        Option.isNone(yield* jobs.claim({ worker: worker.id, leaseSeconds: 60, job: Option.some(tomorrow.job) })),
        "asking for a job by name is no way around its time"
      )
    }))

  test("gives the task of a named job and no other", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const worker = yield* addWorker()
      yield* addVideo(5)
      const wanted = yield* addVideo()
      const claim = jobs.claim({ worker: worker.id, leaseSeconds: 60, job: Option.some(wanted.job) })
      const task = Option.getOrThrow(yield* claim)
      assert.strictEqual(task.jobId, wanted.job)
      assert.isTrue(Option.isNone(yield* claim))
    }))

  test("says what a task is, counts the attempt, and grants the time that was asked for", () =>
    Effect.gen(function* () {
      const worker = yield* addWorker()
      const { job, slug, source, video } = yield* addVideo()
      assert.strictEqual((yield* jobOf(job)).status, "queued")
      const task = yield* claimOne(worker.id, 60)
      assert.deepInclude(task, { kind: "whole", jobId: job, videoId: video, slug, attempt: 1, firstFrame: null })
      assert.deepStrictEqual(task.source, source)
      assert.approximately((task.expiresAt.getTime() - Date.now()) / 1000, 60, 10)
      const seen = yield* jobOf(job)
      assert.strictEqual(seen.status, "running")
      assert.deepInclude(seen.tasks[0], { state: "leased", attempt: 1, worker: worker.id })
      assert.isTrue(Option.isNone(yield* claimAny(worker.id)))
    }))

  test("gives each task to one of sixteen who ask at once", () =>
    Effect.gen(function* () {
      const wanted = 48
      const made = yield* Effect.replicateEffect(addVideo(), wanted)
      const workers = yield* Effect.replicateEffect(addWorker(), 16)
      const claimed = yield* Effect.forEach(
        workers,
        Effect.fnUntraced(function* ({ id }) {
          const mine: Array<ClaimedTask> = []
          for (let next = yield* claimAny(id); Option.isSome(next); next = yield* claimAny(id)) mine.push(next.value)
          return mine
        }),
        { concurrency: "unbounded" }
      )
      const tasks = claimed.flat()
      // Whoever finds only locked rows goes away empty-handed and asks again later.
      const last = yield* claimAny(workers[0]!.id)
      assert.isTrue(Option.isNone(last))
      assert.strictEqual(tasks.length, wanted)
      assert.sameMembers(
        tasks.map((task) => task.jobId),
        made.map(({ job }) => job)
      )
      assert.strictEqual(new Set(tasks.map((task) => task.leaseId)).size, wanted)
      assert.isTrue(tasks.every((task) => task.attempt === 1))
    }))
}
