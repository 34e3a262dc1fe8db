/** What is kept of an attempt, published of a job, and handed to the next attempt. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Fingerprint, type LeaseId } from "../../../src/domain/ids.ts"
import { type ClaimedTask, type Holder, JobStore, type TaskOutput } from "../../../src/domain/ports/JobStore.ts"
import { VideoStore } from "../../../src/domain/ports/VideoStore.ts"
import { sha256 } from "../../domain/support/ids.ts"
import { StoreHands, type Test } from "./contract.ts"
import {
  addVideo,
  addWorker,
  claimedVideo,
  claimOne,
  complete,
  facts,
  fileOf,
  hands,
  holderOf,
  jobOf,
  presentation,
  refusals,
  report,
  videoOf
} from "./given.ts"

export const outputs = (test: Test) => {
  test("keeps a file as it was first, and the same again is no error", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const { holder, task, video } = yield* claimedVideo()
      const file = fileOf("seg_00000.m4s", 1)
      yield* jobs.register({ video }, holder, file)
      yield* jobs.register({ video }, holder, file)
      const conflict = yield* Effect.flip(jobs.register({ video }, holder, fileOf("seg_00000.m4s", 2)))
      assert.deepInclude(conflict, { _tag: "FileConflict", path: "360p/seg_00000.m4s" })
      assert.deepStrictEqual(Option.getOrThrow(yield* jobs.registered(task.leaseId, file)), file)
      assert.isTrue(Option.isNone(yield* jobs.registered(task.leaseId, fileOf("seg_00001.m4s"))))
    }))

  test("publishes only what the worker stands by, once", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const videos = yield* VideoStore
      const { holder, job, slug, task, video } = yield* claimedVideo()
      for (const [n, name] of ["seg_00000.m4s", "seg_00001.m4s", "seg_00002.m4s"].entries()) {
        yield* jobs.register({ video }, holder, fileOf(name, n + 1))
      }
      const published: Array<readonly [LeaseId, ReadonlyArray<TaskOutput>]> = []
      const again = jobs.complete({ job }, holder, {
        facts,
        languages: { "audio-0": "de" },
        confirm: (registered) => Effect.succeed(registered.filter((file) => file.name !== "seg_00001.m4s")),
        publish: (publication, outputs) => {
          published.push([publication, outputs])
          return Effect.succeed(presentation)
        }
      })
      assert.strictEqual(yield* again, "completed")
      assert.strictEqual(yield* again, "replayed")
      assert.strictEqual(published.length, 1)
      const [publication, outputs] = published[0]!
      assert.strictEqual(publication, task.leaseId)
      assert.deepStrictEqual(outputs[0]?.languages, { "audio-0": "de" })
      assert.sameMembers(outputs[0]?.files.map((file) => file.name) ?? [], ["seg_00000.m4s", "seg_00002.m4s"])
      assert.deepInclude(yield* jobOf(job), { status: "done", published: publication })
      const shown = yield* videoOf(video)
      assert.deepInclude(shown, { published: publication, facts })
      assert.isNotNull(shown.publishedAt)
      assert.isTrue(yield* videos.isPublished(slug, publication))
      assert.isFalse(yield* videos.isPublished("another", publication))
      assert.deepStrictEqual(Option.getOrThrow(yield* videos.publication(video, publication)), presentation)
      const { complete: replay, ...others } = yield* refusals(job, video, holder)
      assert.strictEqual(replay, "done")
      assert.deepStrictEqual([...new Set(Object.values(others))], ["ended"])
    }))

  test("undoes a completion whose publication did not work", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const { holder, job, video } = yield* claimedVideo()
      yield* jobs.register({ video }, holder, fileOf("seg_00000.m4s"))
      const failure = yield* Effect.flip(complete(job, holder, () => Effect.fail("disk" as const)))
      assert.strictEqual(failure, "disk")
      assert.strictEqual((yield* jobOf(job)).tasks[0]?.state, "leased")
      assert.isNull((yield* videoOf(video)).published)
      yield* jobs.renew({ job }, holder, report)
      assert.strictEqual(yield* complete(job, holder), "completed")
    }))

  test("moves the pointer with the last task of a job, and not before", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const worker = yield* addWorker()
      const { job, video } = yield* addVideo()
      yield* hands((store) => store.splitIntoRanges(job, 2))
      const tasks = [yield* claimOne(worker.id), yield* claimOne(worker.id)]
      assert.deepStrictEqual(
        tasks.map(({ firstFrame, frameCount, kind }) => ({ firstFrame, frameCount, kind })),
        [0, 100].map((firstFrame) => ({ firstFrame, frameCount: 100, kind: "range" as const }))
      )
      const [first, second] = tasks.map((task) => holderOf(task, worker.id)) as [Holder, Holder]
      yield* jobs.register({ video }, first, fileOf("seg_00000.m4s", 1))
      yield* jobs.register({ video }, second, fileOf("seg_00001.m4s", 2))
      const published: Array<ReadonlyArray<TaskOutput>> = []
      const publish = (_: LeaseId, outputs: ReadonlyArray<TaskOutput>) => {
        published.push(outputs)
        return Effect.succeed(presentation)
      }
      // The later part first: outputs come in the order of the film all the same.
      assert.strictEqual(yield* complete(job, second, publish), "completed")
      assert.deepStrictEqual(published, [])
      assert.isNull((yield* videoOf(video)).published)
      assert.strictEqual((yield* jobOf(job)).status, "running")
      assert.strictEqual(yield* complete(job, first, publish), "completed")
      assert.deepStrictEqual(
        published.map((outputs) => outputs.map((output) => output.leaseId)),
        [[first.lease, second.lease]]
      )
      assert.deepStrictEqual(
        published[0]?.map((output) => output.files.map((file) => file.name)),
        [["seg_00000.m4s"], ["seg_00001.m4s"]]
      )
      assert.strictEqual((yield* videoOf(video)).published, first.lease)
    }))

  test("publishes once when the last tasks end at the same time", () =>
    Effect.gen(function* () {
      const workers = yield* Effect.replicateEffect(addWorker(), 6)
      const { job, video } = yield* addVideo()
      yield* hands((store) => store.splitIntoRanges(job, 6))
      const holders = yield* Effect.forEach(workers, ({ id }) => Effect.map(claimOne(id), (task) => holderOf(task, id)))
      let publications = 0
      const outcomes = yield* Effect.forEach(
        holders,
        (holder) =>
          complete(job, holder, (_, outputs) =>
            Effect.sync(() => {
              publications += 1
              assert.strictEqual(outputs.length, 6)
              return presentation
            })
          ),
        { concurrency: "unbounded" }
      )
      assert.isTrue(outcomes.every((outcome) => outcome === "completed"))
      assert.strictEqual(publications, 1)
      assert.isNotNull((yield* videoOf(video)).published)
      assert.strictEqual((yield* jobOf(job)).status, "done")
    }))

  test("goes on showing what was published while a newer version is made, and may be read after it", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const videos = yield* VideoStore
      const worker = yield* addWorker()
      const { job, slug, video } = yield* addVideo()
      const old = yield* claimOne(worker.id)
      yield* complete(job, holderOf(old, worker.id))
      const newer = Option.getOrThrow(yield* jobs.enqueue({ video, priority: 0 }))
      const task = yield* claimOne(worker.id)
      assert.strictEqual(task.jobId, newer)
      assert.strictEqual((yield* videoOf(video)).published, old.leaseId)
      assert.strictEqual(Option.getOrThrow(yield* jobs.latestJob(video)).id, newer)
      yield* complete(newer, holderOf(task, worker.id))
      assert.strictEqual((yield* videoOf(video)).published, task.leaseId)
      for (const publication of [old.leaseId, task.leaseId]) {
        assert.isTrue(yield* videos.isPublished(slug, publication))
      }
      assert.deepStrictEqual(
        (yield* jobs.jobs({ limit: 10, offset: 0 })).map(({ id }) => id),
        [newer, job]
      )
    }))

  const name = (letter: string) => Fingerprint.make(letter.repeat(64))

  test("hands an attempt what the newest earlier one with the same encoder left, and nobody else's", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const hands = yield* StoreHands
      const { id } = yield* addWorker()
      const { job } = yield* addVideo()
      const begin = (task: ClaimedTask, letter: string) =>
        jobs.begin({ job: task.jobId }, holderOf(task, id), name(letter))
      const next = Effect.andThen(hands.endPauses, claimOne(id))
      const lose = Effect.andThen(hands.expireLeases, jobs.sweep)

      const first = yield* next
      assert.isTrue(Option.isNone(yield* begin(first, "a")))
      const prefixed = { ...fileOf("seg_00000.m4s", 1), prefix: { bytes: 5_000_000_000, sha256: sha256(500) } }
      yield* jobs.register({ job }, holderOf(first, id), prefixed)
      yield* jobs.register({ job }, holderOf(first, id), { ...prefixed, prefix: { bytes: 7, sha256: sha256(7) } })
      yield* jobs.register({ job }, holderOf(first, id), fileOf("seg_00001.m4s", 2))
      yield* lose
      const other = yield* next
      assert.isTrue(Option.isNone(yield* begin(other, "b")), "another encoder")
      yield* jobs.release({ job }, holderOf(other, id))

      const second = yield* next
      const left = Option.getOrThrow(yield* begin(second, "a"))
      assert.strictEqual(left.lease, first.leaseId)
      assert.deepStrictEqual(
        left.files.toSorted((a, b) => a.bytes - b.bytes),
        [prefixed, fileOf("seg_00001.m4s", 2)]
      )
      const taken = { lease: left.lease, files: [fileOf("seg_00000.m4s", 1)] }
      yield* jobs.adopt({ job }, holderOf(second, id), taken)
      yield* jobs.adopt({ job }, holderOf(second, id), taken)
      assert.deepStrictEqual(
        yield* jobs.registered(second.leaseId, fileOf("seg_00000.m4s")),
        Option.some(fileOf("seg_00000.m4s", 1))
      )
      assert.isTrue(Option.isNone(yield* jobs.registered(second.leaseId, fileOf("seg_00001.m4s"))))
      yield* lose
      const third = yield* next
      assert.deepStrictEqual(
        Option.getOrThrow(yield* begin(third, "a")),
        { lease: second.leaseId, files: [prefixed] },
        "the newest, and still of what its file was made"
      )
      yield* jobs.adopt({ job }, holderOf(third, id), { lease: second.leaseId, files: taken.files })
      assert.deepInclude(yield* Effect.flip(begin(second, "a")), { reason: "superseded" })
      assert.deepInclude(yield* Effect.flip(jobs.adopt({ job }, holderOf(second, id), taken)), {
        reason: "superseded"
      })

      yield* jobs.fail({ job }, holderOf(third, id), { error: "pictures are missing", retry: true })
      const fourth = yield* next
      assert.isTrue(Option.isNone(yield* begin(fourth, "a")), "what was taken over may be why it failed")
      yield* jobs.register({ job }, holderOf(fourth, id), fileOf("seg_00000.m4s", 4))
      yield* jobs.release({ job }, holderOf(fourth, id))
      assert.strictEqual(Option.getOrThrow(yield* begin(yield* next, "a")).lease, fourth.leaseId)
    }))

  test("lets nobody adopt the files of another task or of another encoder", () =>
    Effect.gen(function* () {
      const jobs = yield* JobStore
      const { id } = yield* addWorker()
      yield* addVideo()
      yield* addVideo()
      const [one, two] = [yield* claimOne(id), yield* claimOne(id)]
      yield* jobs.begin({ job: one.jobId }, holderOf(one, id), name("a"))
      yield* jobs.register({ job: one.jobId }, holderOf(one, id), fileOf("seg_00000.m4s"))
      assert.isTrue(Option.isNone(yield* jobs.begin({ job: two.jobId }, holderOf(two, id), name("a"))))
      const from = { lease: one.leaseId, files: [fileOf("seg_00000.m4s")] }
      yield* Effect.flip(jobs.adopt({ job: two.jobId }, holderOf(two, id), from))
      yield* jobs.release({ job: one.jobId }, holderOf(one, id))
      const again = yield* Effect.andThen(
        jobs.claim({ worker: id, leaseSeconds: 60, job: Option.some(one.jobId) }),
        Effect.fromOption
      )
      yield* jobs.begin({ job: one.jobId }, holderOf(again, id), name("b"))
      yield* Effect.flip(jobs.adopt({ job: one.jobId }, holderOf(again, id), from))
      assert.isTrue(Option.isNone(yield* jobs.registered(again.leaseId, fileOf("seg_00000.m4s"))))
    }))
}
