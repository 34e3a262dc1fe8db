/** Videos, workers and what these do, for tests of the stores. */
import { Effect, Option } from "effect"
import { Fingerprint, type JobId, type LeaseId, type VideoId, type WorkerId } from "../../../src/domain/ids.ts"
import * as Progress from "../../../src/domain/jobs/Progress.ts"
import type { Presentation } from "../../../src/domain/media/Presentation.ts"
import { RenditionName } from "../../../src/domain/media/Rendition.ts"
import type { RegisteredFile } from "../../../src/domain/media/Segment.ts"
import { type ClaimedTask, type Holder, JobStore, type TaskOutput } from "../../../src/domain/ports/JobStore.ts"
import { VideoStore } from "../../../src/domain/ports/VideoStore.ts"
import { WorkerRegistry } from "../../../src/domain/ports/WorkerRegistry.ts"
import * as Slug from "../../../src/domain/videos/Slug.ts"
import { sha256 } from "../../domain/support/ids.ts"
import { StoreHands } from "./contract.ts"

export const fileOf = (name: string, n = 1): RegisteredFile => ({
  rendition: RenditionName.make("360p"),
  name,
  bytes: 1000 + n,
  sha256: sha256(n),
  facts: { _tag: "MediaSegment", decodeTime: 0, duration: 4000, samples: 100, startsWithKeyframe: true }
})

export const presentation: Presentation = {
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

export const facts = { duration: 4, width: 640, height: 360 }
export const report = { progress: Progress.none, facts: null }

let count = 0

export const addVideo = Effect.fnUntraced(function* (priority = 0) {
  const videos = yield* VideoStore
  const n = ++count
  const source = { fileName: `film-${n}.mp4`, extension: ".mp4", bytes: 1_000_000, sha256: sha256(n) }
  const { job, video } = yield* videos.create({
    title: `Film ${n}`,
    slug: Slug.fromTitle(`Film ${n}`),
    wishes: { priority },
    source,
    store: () => Effect.void
  })
  return { job, video: video.id, slug: video.slug, source }
})

export const addWorker = Effect.fnUntraced(function* () {
  const registry = yield* WorkerRegistry
  return yield* registry.register({ name: Option.none(), type: "remote", capabilities: null, metadata: null })
})

export const claimAny = Effect.fnUntraced(function* (worker: WorkerId, leaseSeconds = 60) {
  const jobs = yield* JobStore
  return yield* jobs.claim({ worker, leaseSeconds, job: Option.none() })
})

export const claimOne = (worker: WorkerId, leaseSeconds?: number) =>
  Effect.map(
    claimAny(worker, leaseSeconds),
    Option.getOrThrowWith(() => new Error("nothing to claim"))
  )

export const holderOf = (task: ClaimedTask, worker: WorkerId): Holder => ({ worker, lease: task.leaseId })

/** A worker that holds the task of a video. */
export const claimedVideo = Effect.fnUntraced(function* (leaseSeconds?: number) {
  const worker = yield* addWorker()
  const video = yield* addVideo()
  const task = yield* claimOne(worker.id, leaseSeconds)
  return { ...video, worker, task, holder: holderOf(task, worker.id) }
})

export const complete = Effect.fnUntraced(function* (
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
export const refusals = Effect.fnUntraced(function* (job: JobId, video: VideoId, holder: Holder) {
  const outcomes: Record<string, string> = {}
  for (const [name, write] of Object.entries(yield* writes(job, video, holder))) {
    outcomes[name] = yield* (write as Effect.Effect<void, { readonly _tag: string; readonly reason?: string }>).pipe(
      Effect.as("done"),
      Effect.catch((error) => Effect.succeed(error.reason ?? error._tag))
    )
  }
  return outcomes
})

export const all = (reason: string) => ({
  held: reason,
  renew: reason,
  register: reason,
  begin: reason,
  complete: reason,
  fail: reason,
  release: reason
})

export const jobOf = (id: JobId) => Effect.flatMap(JobStore, (jobs) => Effect.map(jobs.job(id), Option.getOrThrow))
export const videoOf = (id: VideoId) =>
  Effect.flatMap(VideoStore, (videos) => Effect.map(videos.byId(id), Option.getOrThrow))
export const hands = <A>(use: (hands: StoreHands["Service"]) => Effect.Effect<A>) => Effect.flatMap(StoreHands, use)
export const sweep = Effect.flatMap(JobStore, (jobs) => jobs.sweep)
