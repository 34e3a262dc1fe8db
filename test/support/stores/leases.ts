/** What a lease allows, how it ends, and what becomes of its task then. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { randomUUID } from "node:crypto"
import { JobId, LeaseId } from "../../../src/domain/ids.ts"
import * as Progress from "../../../src/domain/jobs/Progress.ts"
import { backoffSeconds, lostWorker } from "../../../src/domain/jobs/Task.ts"
import { RenditionName } from "../../../src/domain/media/Rendition.ts"
import { JobStore } from "../../../src/domain/ports/JobStore.ts"
import { WorkerRegistry } from "../../../src/domain/ports/WorkerRegistry.ts"
import type { Test } from "./contract.ts"
import {
  addVideo,
  addWorker,
  all,
  claimAny,
  claimedVideo,
  claimOne,
  complete,
  facts,
  fileOf,
  hands,
  holderOf,
  jobOf,
  refusals,
  report,
  sweep,
  videoOf
} from "./given.ts"

export const leases = (test: Test) => {
  test("knows no job that is not there", () =>
    Effect.gen(function* () {
      const worker = yield* addWorker()
      const { video } = yield* addVideo()
      const nobody = { worker: worker.id, lease: LeaseId.make(randomUUID()) }
      const { held: _held, register: _register, ...byJob } = yield* refusals(JobId.make(999_999), video, nobody)
      assert.deepStrictEqual([...new Set(Object.values(byJob))], ["not-found"])
    }))

  test("refuses who holds nothing: another worker, another lease, a task in the queue", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const [mine, other] = [yield* addWorker(), yield* addWorker()]
      const { job, video } = yield* addVideo()
      const stranger = { worker: other.id, lease: LeaseId.make(randomUUID()) }
      assert.deepStrictEqual(yield* refusals(job, video, stranger), all("never-held"))
      const task = yield* claimOne(mine.id)
      for (const lease of [task.leaseId, null]) {
        assert.deepStrictEqual(yield* refusals(job, video, { worker: other.id, lease }), all("never-held"))
      }
      const another = { worker: mine.id, lease: stranger.lease }
      assert.deepStrictEqual(yield* refusals(job, video, another), all("superseded"))
      const seen = yield* jobOf(job)
      assert.deepInclude(seen.tasks[0], { state: "leased", attempt: 1, lastError: null })
      assert.isTrue(Option.isNone(yield* jobs.registered(task.leaseId, fileOf("seg_00009.m4s"))))
      yield* jobs.renew({ job }, holderOf(task, mine.id), report)
    }))

  test("takes a worker at its word that names no lease, as the older protocol does", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const { job, task, video, worker } = yield* claimedVideo()
      const holder = { worker: worker.id, lease: null }
      assert.strictEqual((yield* jobs.held({ video }, holder)).leaseId, task.leaseId)
      yield* jobs.renew({ job }, holder, report)
      yield* jobs.register({ video }, holder, fileOf("seg_00000.m4s"))
      assert.strictEqual(yield* complete(job, holder), "completed")
      assert.strictEqual(yield* complete(job, holder), "replayed")
    }))

  test("lets a fenced-off worker change nothing", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const [slow, next] = [yield* addWorker(), yield* addWorker()]
      const { job, video } = yield* addVideo()
      const lost = yield* claimOne(slow.id)
      yield* hands((store) => store.expireLeases)
      yield* sweep
      yield* hands((store) => store.endPauses)
      const taken = yield* claimOne(next.id)
      assert.strictEqual(taken.attempt, 2)
      assert.notStrictEqual(taken.leaseId, lost.leaseId)
      assert.deepStrictEqual(yield* refusals(job, video, holderOf(lost, slow.id)), all("superseded"))
      assert.isTrue(Option.isNone(yield* jobs.registered(lost.leaseId, fileOf("seg_00009.m4s"))))
      const seen = yield* jobOf(job)
      assert.deepInclude(seen.tasks[0], { state: "leased", attempt: 2, worker: next.id })
      assert.strictEqual(yield* complete(job, holderOf(taken, next.id)), "completed")
      assert.deepStrictEqual(yield* refusals(job, video, holderOf(lost, slow.id)), all("superseded"))
      assert.strictEqual((yield* videoOf(video)).published, taken.leaseId)
    }))

  test("fences off the same worker's own earlier lease", () =>
    Effect.gen(function* () {
      const worker = yield* addWorker()
      const { job, video } = yield* addVideo()
      const lost = yield* claimOne(worker.id)
      yield* hands((store) => store.expireLeases)
      yield* sweep
      yield* hands((store) => store.endPauses)
      yield* claimOne(worker.id)
      assert.deepStrictEqual(yield* refusals(job, video, holderOf(lost, worker.id)), all("superseded"))
    }))

  test("renews to the full time, never to less, and shows the progress", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const { holder, job, task, video } = yield* claimedVideo(300)
      const progress: Progress.Progress = {
        step: "transcode",
        percent: 42,
        renditions: [
          {
            name: RenditionName.make("360p"),
            status: "in_progress",
            percent: 40,
            speed: 1.5,
            secondsLeft: 12
          }
        ]
      }
      const { expiresAt } = yield* jobs.renew({ job }, holder, { progress, facts })
      assert.isAtLeast(expiresAt.getTime(), task.expiresAt.getTime())
      assert.approximately((expiresAt.getTime() - Date.now()) / 1000, 300, 10)
      assert.deepStrictEqual((yield* jobOf(job)).tasks[0]?.progress, progress)
      assert.deepStrictEqual((yield* videoOf(video)).facts, facts)
    }))

  test("does not revive an expired lease, but takes the finished work that comes with it", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const { holder, job, task, video } = yield* claimedVideo()
      yield* hands((store) => store.expireLeases)
      assert.strictEqual((yield* Effect.flip(jobs.renew({ job }, holder, report)))._tag, "LeaseRefused")
      assert.deepInclude(yield* Effect.flip(jobs.renew({ job }, holder, report)), { reason: "expired" })
      assert.deepInclude(yield* Effect.flip(jobs.held({ video }, holder)), { reason: "expired" })
      yield* jobs.register({ video }, holder, fileOf("seg_00000.m4s"))
      assert.strictEqual(yield* complete(job, holder), "completed")
      assert.strictEqual((yield* videoOf(video)).published, task.leaseId)
    }))

  test("sweeps what ran out back into the queue, after a pause, and leaves the living alone", () =>
    Effect.gen(function* () {
      const worker = yield* addWorker()
      const dead = yield* addVideo(1)
      yield* claimOne(worker.id)
      yield* hands((store) => store.expireLeases)
      const alive = yield* addVideo()
      yield* claimOne(worker.id)
      assert.deepStrictEqual(yield* sweep, { requeued: 1, failed: 0, extended: false })
      assert.deepStrictEqual(yield* sweep, { requeued: 0, failed: 0, extended: false })
      const seen = yield* jobOf(dead.job)
      assert.strictEqual(seen.status, "queued")
      assert.deepInclude(seen.tasks[0], { state: "queued", attempt: 1, lastError: lostWorker })
      assert.approximately(yield* hands((store) => store.pauseOf(dead.job)), backoffSeconds(1), 2)
      assert.isTrue(Option.isNone(yield* claimAny(worker.id)))
      assert.strictEqual((yield* jobOf(alive.job)).tasks[0]?.state, "leased")
    }))

  test("gives up on a task that kills its workers, and says so", () =>
    Effect.gen(function* () {
      const worker = yield* addWorker()
      const { job, video } = yield* addVideo()
      const { maxAttempts } = (yield* jobOf(job)).tasks[0]!
      assert.isAtLeast(maxAttempts, 2)
      const pauses: Array<number> = []
      for (let attempt = 1; attempt <= maxAttempts; attempt++) {
        assert.strictEqual((yield* claimOne(worker.id)).attempt, attempt)
        yield* hands((store) => store.expireLeases)
        const last = attempt === maxAttempts
        assert.deepStrictEqual(yield* sweep, { requeued: last ? 0 : 1, failed: last ? 1 : 0, extended: false })
        pauses.push(yield* hands((store) => store.pauseOf(job)))
        yield* hands((store) => store.endPauses)
      }
      for (const [index, pause] of pauses.slice(0, -1).entries()) {
        assert.approximately(pause, backoffSeconds(index + 1), 3)
      }
      const seen = yield* jobOf(job)
      assert.strictEqual(seen.status, "failed")
      assert.strictEqual(seen.lastError, lostWorker)
      assert.isNotNull(seen.endedAt)
      assert.isTrue(Option.isNone(yield* claimAny(worker.id)))
      assert.isNull((yield* videoOf(video)).published)
    }))

  test("gives everybody more time when nothing was swept for long, instead of taking", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const { holder, job } = yield* claimedVideo()
      yield* hands((store) => store.expireLeases)
      yield* hands((store) => store.sweptAgo(3600))
      assert.deepStrictEqual(yield* sweep, { requeued: 0, failed: 0, extended: true })
      assert.strictEqual((yield* jobOf(job)).tasks[0]?.state, "leased")
      yield* jobs.renew({ job }, holder, report)
      assert.deepStrictEqual(yield* sweep, { requeued: 0, failed: 0, extended: false })
    }))

  test("takes a released task back without counting it, for anybody at once", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const [one, two] = [yield* addWorker(), yield* addWorker()]
      const { job, video } = yield* addVideo()
      const first = yield* claimOne(one.id)
      yield* jobs.release({ job }, holderOf(first, one.id))
      assert.deepInclude((yield* jobOf(job)).tasks[0], { state: "queued", attempt: 0 })
      const second = yield* claimOne(two.id)
      assert.strictEqual(second.attempt, 1)
      assert.notStrictEqual(second.leaseId, first.leaseId)
      assert.deepStrictEqual(yield* refusals(job, video, holderOf(first, one.id)), all("superseded"))
    }))

  test("tries a failed task again after a pause, until its tries are used up", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const worker = yield* addWorker()
      const { job } = yield* addVideo()
      const { maxAttempts } = (yield* jobOf(job)).tasks[0]!
      for (let attempt = 1; attempt <= maxAttempts; attempt++) {
        const task = yield* claimOne(worker.id)
        const willRetry = attempt < maxAttempts
        const outcome = yield* jobs.fail({ job }, holderOf(task, worker.id), {
          error: `crash ${attempt}`,
          retry: true
        })
        assert.deepStrictEqual(outcome, { willRetry, attempt })
        const seen = yield* jobOf(job)
        assert.strictEqual(seen.tasks[0]?.lastError, `crash ${attempt}`)
        assert.strictEqual(seen.status, willRetry ? "queued" : "failed")
        if (willRetry) {
          assert.approximately(yield* hands((store) => store.pauseOf(job)), backoffSeconds(attempt), 3)
          assert.isTrue(Option.isNone(yield* claimAny(worker.id)))
        }
        yield* hands((store) => store.endPauses)
      }
      assert.strictEqual((yield* jobOf(job)).lastError, `crash ${maxAttempts}`)
    }))

  test("fails the whole job with a task that cannot succeed, and stops its others", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const [one, two] = [yield* addWorker(), yield* addWorker()]
      const { job, video } = yield* addVideo()
      yield* hands((store) => store.splitIntoRanges(job, 3))
      const bad = yield* claimOne(one.id)
      const sibling = yield* claimOne(two.id)
      const outcome = yield* jobs.fail({ job }, holderOf(bad, one.id), { error: "no such codec", retry: false })
      assert.deepStrictEqual(outcome, { willRetry: false, attempt: 1 })
      const seen = yield* jobOf(job)
      assert.deepInclude(seen, { status: "failed", lastError: "no such codec" })
      assert.sameMembers(
        seen.tasks.map((task) => task.state),
        ["failed", "cancelled", "cancelled"]
      )
      assert.isTrue(Option.isNone(yield* claimAny(two.id)))
      assert.deepStrictEqual(yield* refusals(job, video, holderOf(sibling, two.id)), all("cancelled"))
    }))

  test("ends a worker's leases with its key", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const registry = yield* WorkerRegistry
      const [bad, good] = [yield* addWorker(), yield* addWorker()]
      const { job } = yield* addVideo()
      assert.strictEqual(yield* registry.authenticate(bad.key), bad.id)
      const task = yield* claimOne(bad.id)
      assert.strictEqual((yield* registry.list).find(({ id }) => id === bad.id)?.currentJob, job)
      assert.isTrue(yield* registry.revoke(bad.id))
      assert.deepInclude(yield* Effect.flip(registry.authenticate(bad.key)), { reason: "invalid" })
      assert.deepInclude(yield* Effect.flip(jobs.renew({ job }, holderOf(task, bad.id), report)), {
        reason: "superseded"
      })
      // At once, and without an attempt used up.
      assert.deepInclude(yield* claimOne(good.id), { jobId: job, attempt: 1 })
      assert.strictEqual((yield* registry.list).find(({ id }) => id === bad.id)?.status, "disabled")
      yield* registry.heartbeat(bad.id, { status: "idle", metadata: null })
      assert.strictEqual((yield* registry.list).find(({ id }) => id === bad.id)?.status, "disabled")
    }))
}
