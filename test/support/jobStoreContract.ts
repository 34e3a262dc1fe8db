/** What every JobStore must do, with the VideoStore and WorkerRegistry that belong to it. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Option, Redacted } from "effect"
import { randomUUID } from "node:crypto"
import { Fingerprint, JobId, LeaseId, Sha256, type VideoId, type WorkerId } from "../../src/domain/ids.ts"
import * as Progress from "../../src/domain/jobs/Progress.ts"
import { backoffSeconds, lostWorker } from "../../src/domain/jobs/Task.ts"
import type { Presentation } from "../../src/domain/media/Presentation.ts"
import { RenditionName } from "../../src/domain/media/Rendition.ts"
import type { RegisteredFile } from "../../src/domain/media/Segment.ts"
import { type ClaimedTask, type Holder, JobStore, type TaskOutput } from "../../src/domain/ports/JobStore.ts"
import { VideoStore } from "../../src/domain/ports/VideoStore.ts"
import { WorkerRegistry } from "../../src/domain/ports/WorkerRegistry.ts"
import * as Slug from "../../src/domain/videos/Slug.ts"

/** What no port offers: time that passes, and plans that nobody makes yet. */
export class StoreHands extends Context.Service<
  StoreHands,
  {
    /** Forgets everything, as if the sweeper had just run. */
    readonly reset: Effect.Effect<void>
    /** Makes the job's one task the first of several ranges of 100 frames. */
    splitIntoRanges(job: JobId, count: number): Effect.Effect<void>
    /** Lets every lease run out. */
    readonly expireLeases: Effect.Effect<void>
    /** Lets the pause before a next try pass. */
    readonly endPauses: Effect.Effect<void>
    /** Puts the start of a job this many seconds off. */
    delayJob(job: JobId, seconds: number): Effect.Effect<void>
    /** The sweeper has not run for this many seconds. */
    sweptAgo(seconds: number): Effect.Effect<void>
    /** No worker was heard of for an hour. */
    readonly silenceWorkers: Effect.Effect<void>
    /** Seconds until a task of the job may be claimed. */
    pauseOf(job: JobId): Effect.Effect<number>
  }
>()("vlog/test/support/jobStoreContract/StoreHands") {}

const sha = (n: number) => Sha256.make(n.toString(16).padStart(64, "0"))

const fileOf = (name: string, n = 1): RegisteredFile => ({
  rendition: RenditionName.make("360p"),
  name,
  bytes: 1000 + n,
  sha256: sha(n),
  facts: { _tag: "MediaSegment", decodeTime: 0, duration: 4000, samples: 100, startsWithKeyframe: true }
})

const presentation: Presentation = {
  video: [
    {
      name: RenditionName.make("360p"),
      codecs: "avc1.64001e",
      timescale: 1000,
      init: "init.mp4",
      segments: [{ name: "seg_00000.m4s", decodeTime: 0, duration: 4000, bytes: 1001 }],
      width: 640,
      height: 360,
      frameRate: { numerator: 25, denominator: 1 }
    }
  ],
  audio: []
}

const facts = { duration: 4, width: 640, height: 360 }
const report = { progress: Progress.none, facts: null }

let count = 0

const addVideo = Effect.fnUntraced(function* (priority = 0) {
  const videos = yield* VideoStore
  const n = ++count
  const { job, video } = yield* videos.create({
    title: `Film ${n}`,
    slug: Slug.fromTitle(`Film ${n}`),
    wishes: { priority },
    source: { fileName: `film-${n}.mp4`, extension: ".mp4", bytes: 1_000_000, sha256: sha(n) },
    store: () => Effect.void
  })
  return { job, video: video.id, slug: video.slug }
})

const addWorker = Effect.fnUntraced(function* () {
  const registry = yield* WorkerRegistry
  return yield* registry.register({ name: Option.none(), type: "remote", capabilities: null, metadata: null })
})

const claimAny = Effect.fnUntraced(function* (worker: WorkerId, leaseSeconds = 60) {
  const jobs = yield* JobStore
  return yield* jobs.claim({ worker, leaseSeconds, job: Option.none() })
})

const claimOne = (worker: WorkerId, leaseSeconds?: number) =>
  Effect.map(
    claimAny(worker, leaseSeconds),
    Option.getOrThrowWith(() => new Error("nothing to claim"))
  )

const holderOf = (task: ClaimedTask, worker: WorkerId): Holder => ({ worker, lease: task.leaseId })

const complete = Effect.fnUntraced(function* (
  job: JobId,
  holder: Holder,
  publish: (publication: LeaseId, outputs: ReadonlyArray<TaskOutput>) => Effect.Effect<Presentation, "disk"> = () =>
    Effect.succeed(presentation)
) {
  const jobs = yield* JobStore
  return yield* jobs.complete({ job }, holder, { facts, languages: {}, confirm: Effect.succeed, publish })
})

/** Every write that a worker may make. */
const writes = Effect.fnUntraced(function* (job: JobId, video: VideoId, holder: Holder) {
  const jobs = yield* JobStore
  return {
    held: Effect.asVoid(jobs.held({ video }, holder)),
    renew: Effect.asVoid(jobs.renew({ job }, holder, report)),
    register: jobs.register({ video }, holder, fileOf("seg_00009.m4s")),
    begin: Effect.asVoid(jobs.begin({ job }, holder, Fingerprint.make("0".repeat(64)))),
    complete: Effect.asVoid(complete(job, holder)),
    fail: Effect.asVoid(jobs.fail({ job }, holder, { error: "broken", retry: true })),
    release: jobs.release({ job }, holder)
  } as const
})

/** The reason with which each write is refused, "done" where it is not. */
const refusals = Effect.fnUntraced(function* (job: JobId, video: VideoId, holder: Holder) {
  const outcomes: Record<string, string> = {}
  for (const [name, write] of Object.entries(yield* writes(job, video, holder))) {
    outcomes[name] = yield* (write as Effect.Effect<void, { readonly _tag: string; readonly reason?: string }>).pipe(
      Effect.as("done"),
      Effect.catch((error) => Effect.succeed(error.reason ?? error._tag))
    )
  }
  return outcomes
})

const all = (reason: string) => ({
  held: reason,
  renew: reason,
  register: reason,
  begin: reason,
  complete: reason,
  fail: reason,
  release: reason
})

const jobOf = (id: JobId) => Effect.flatMap(JobStore, (jobs) => Effect.map(jobs.job(id), Option.getOrThrow))
const videoOf = (id: VideoId) => Effect.flatMap(VideoStore, (videos) => Effect.map(videos.byId(id), Option.getOrThrow))
const hands = <A>(use: (hands: StoreHands["Service"]) => Effect.Effect<A>) => Effect.flatMap(StoreHands, use)
const sweep = Effect.flatMap(JobStore, (jobs) => jobs.sweep)

export const jobStoreContract = <E>(
  name: string,
  stores: Layer.Layer<JobStore | VideoStore | WorkerRegistry | StoreHands, E>
) =>
  layer(stores, { excludeTestServices: true, timeout: "60 seconds" })(name, (it) => {
    const test = <A, E>(
      what: string,
      body: () => Effect.Effect<A, E, JobStore | VideoStore | WorkerRegistry | StoreHands>
    ) =>
      it.effect(
        what,
        () =>
          Effect.andThen(
            hands((store) => store.reset),
            Effect.suspend(body)
          ),
        { timeout: 60_000 }
      )

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
        const { job, slug, video } = yield* addVideo()
        assert.strictEqual((yield* jobOf(job)).status, "queued")
        const task = yield* claimOne(worker.id, 60)
        assert.deepInclude(task, { kind: "whole", jobId: job, videoId: video, slug, attempt: 1, firstFrame: null })
        assert.deepStrictEqual(task.source, {
          fileName: `film-${count}.mp4`,
          extension: ".mp4",
          bytes: 1_000_000,
          sha256: sha(count)
        })
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
        const worker = yield* addWorker()
        const { job, video } = yield* addVideo()
        const task = yield* claimOne(worker.id)
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
        const worker = yield* addWorker()
        const { job, video } = yield* addVideo()
        const task = yield* claimOne(worker.id, 300)
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
        const { expiresAt } = yield* jobs.renew({ job }, holderOf(task, worker.id), { progress, facts })
        assert.isAtLeast(expiresAt.getTime(), task.expiresAt.getTime())
        assert.approximately((expiresAt.getTime() - Date.now()) / 1000, 300, 10)
        assert.deepStrictEqual((yield* jobOf(job)).tasks[0]?.progress, progress)
        assert.deepStrictEqual((yield* videoOf(video)).facts, facts)
      }))

    test("does not revive an expired lease, but takes the finished work that comes with it", () =>
      Effect.gen(function* () {
        const jobs = yield* JobStore
        const worker = yield* addWorker()
        const { job, video } = yield* addVideo()
        const task = yield* claimOne(worker.id)
        const holder = holderOf(task, worker.id)
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
        const worker = yield* addWorker()
        const { job } = yield* addVideo()
        const task = yield* claimOne(worker.id)
        yield* hands((store) => store.expireLeases)
        yield* hands((store) => store.sweptAgo(3600))
        assert.deepStrictEqual(yield* sweep, { requeued: 0, failed: 0, extended: true })
        assert.strictEqual((yield* jobOf(job)).tasks[0]?.state, "leased")
        yield* jobs.renew({ job }, holderOf(task, worker.id), report)
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

    test("keeps a file as it was first, and the same again is no error", () =>
      Effect.gen(function* () {
        const jobs = yield* JobStore
        const worker = yield* addWorker()
        const { video } = yield* addVideo()
        const task = yield* claimOne(worker.id)
        const holder = holderOf(task, worker.id)
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
        const worker = yield* addWorker()
        const { job, slug, video } = yield* addVideo()
        const task = yield* claimOne(worker.id)
        const holder = holderOf(task, worker.id)
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
        const worker = yield* addWorker()
        const { job, video } = yield* addVideo()
        const task = yield* claimOne(worker.id)
        const holder = holderOf(task, worker.id)
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
        const holders = yield* Effect.forEach(workers, ({ id }) =>
          Effect.map(claimOne(id), (task) => holderOf(task, id))
        )
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
        const prefixed = { ...fileOf("seg_00000.m4s", 1), prefix: { bytes: 5_000_000_000, sha256: sha(500) } }
        yield* jobs.register({ job }, holderOf(first, id), prefixed)
        yield* jobs.register({ job }, holderOf(first, id), { ...prefixed, prefix: { bytes: 7, sha256: sha(7) } })
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

    test("knows keys by their every letter, and nobody without one", () =>
      Effect.gen(function* () {
        const registry = yield* WorkerRegistry
        const { id, key } = yield* addWorker()
        const text = Redacted.value(key)
        assert.strictEqual(yield* registry.authenticate(key), id)
        const other = Redacted.value((yield* addWorker()).key)
        const swapped = text.slice(0, 19) + other.slice(19)
        for (const wrong of ["", "vlogw_", text.slice(0, -1), `${text}0`, text.toUpperCase(), swapped]) {
          const refused = yield* Effect.flip(registry.authenticate(Redacted.make(wrong)))
          assert.deepInclude(refused, { _tag: "Unauthenticated", reason: "invalid" }, wrong)
        }
        assert.isFalse(yield* registry.revoke(randomUUID() as WorkerId))
      }))

    test("finds a free slug, and keeps neither video nor job when the source cannot be stored", () =>
      Effect.gen(function* () {
        const videos = yield* VideoStore
        const jobs = yield* JobStore
        const make = <E>(store: () => Effect.Effect<void, E>) =>
          videos.create({
            title: "Same",
            slug: Slug.fromTitle("Same"),
            wishes: { priority: 0 },
            source: { fileName: "same.mp4", extension: ".mp4", bytes: 1, sha256: sha(7) },
            store
          })
        const same = make(() => Effect.void)
        const three = yield* Effect.all([same, same, same], { concurrency: 3 })
        assert.strictEqual(new Set(three.map(({ video }) => video.slug)).size, 3)
        assert.strictEqual(yield* Effect.flip(make(() => Effect.fail("disk" as const))), "disk")
        assert.strictEqual((yield* videos.list({ sha256: sha(7), limit: 10, offset: 0 })).length, 3)
        assert.strictEqual((yield* jobs.jobs({ limit: 10, offset: 0 })).length, 3)
        assert.deepStrictEqual(yield* videos.list({ sha256: sha(8), limit: 10, offset: 0 }), [])
      }))
  })
