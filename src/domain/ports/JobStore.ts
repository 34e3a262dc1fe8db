/** Where jobs, tasks and leases are kept. The one authority on who may write. */
import type { Effect } from "effect"
import { Context, type Option, Schema } from "effect"
import { type Fingerprint, JobId, LeaseId, Sha256, TaskId, VideoId, type WorkerId } from "../ids.ts"
import type { Account, Attempt } from "../jobs/Attempt.ts"
import type { Job, JobStatus } from "../jobs/Job.ts"
import type { Leavings } from "../jobs/Resumption.ts"
import type { Progress } from "../jobs/Progress.ts"
import { TaskKind } from "../jobs/Task.ts"
import { WantedCodec, type Wishes } from "../jobs/Wishes.ts"
import type { Published } from "../media/PlaylistPresentation.ts"
import type { FileDigest, RegisteredFile } from "../media/Segment.ts"
import type { SourceFacts } from "../videos/Video.ts"
import { TraceContext } from "../telemetry/TraceContext.ts"
import { SourceFile } from "../videos/Video.ts"
import { Slug } from "../videos/Slug.ts"
import type { StoreUnavailable } from "./StoreUnavailable.ts"

/** A task in a worker's hands. `leaseId` names this attempt. */
export const ClaimedTask = Schema.Struct({
  taskId: TaskId,
  kind: TaskKind,
  firstFrame: Schema.NullOr(Schema.Int),
  frameCount: Schema.NullOr(Schema.Int),
  jobId: JobId,
  videoId: VideoId,
  slug: Slug,
  /** The older protocol tells neither size nor digest: 0 and null. */
  source: Schema.Struct({ ...SourceFile.fields, sha256: Schema.NullOr(Sha256) }),
  /** What the job asks for; the worker's own choice where that is nothing. */
  codec: Schema.NullOr(WantedCodec),
  leaseId: LeaseId,
  attempt: Schema.Int,
  expiresAt: Schema.Date,
  /** Where the API wants sound inside each video rendition, and knows renditions by the names of that protocol. */
  packaging: Schema.optionalKey(Schema.Literal("muxed")),
  /** The trace that the job's upload began, where it was traced. */
  trace: Schema.NullOr(TraceContext)
})
export interface ClaimedTask extends Schema.Schema.Type<typeof ClaimedTask> {}

/** Who is writing: a worker, and the lease that it says it holds. Workers of the older protocol say none. */
export interface Holder {
  readonly worker: WorkerId
  readonly lease: LeaseId | null
}

/** Writes name the job, transfers name the video. */
export type Subject = { readonly job: JobId } | { readonly video: VideoId }

/**
 * The write was not made. `expired`: the lease ran out. `superseded`: someone else has the task, or it went back to the
 * queue. `ended`: the task is over. `not-found`: there is no such job. `cancelled`: a person stopped it. `never-held`: the
 * task never was this worker's.
 */
export class LeaseRefused extends Schema.TaggedError<LeaseRefused>()("LeaseRefused", {
  reason: Schema.Literals(["expired", "superseded", "ended", "cancelled", "not-found", "never-held"])
}) {
  override get message() {
    return refusals[this.reason]
  }
}

const refusals = {
  expired: "The lease on this task ran out",
  superseded: "The lease on this task is not the current one",
  ended: "The task is over",
  cancelled: "The job was cancelled",
  "not-found": "There is no such job",
  "never-held": "The task never was this worker's"
} as const

/** Registered files never change: another file of the same name needs another attempt. */
export class FileConflict extends Schema.TaggedError<FileConflict>()("FileConflict", { path: Schema.String }) {
  override get message() {
    return `${this.path} was uploaded before with other content`
  }
}

export interface HeldTask {
  readonly taskId: TaskId
  readonly jobId: JobId
  readonly videoId: VideoId
  readonly leaseId: LeaseId
}

/** What a finished task of a job left: the attempt that made it, its files, and the language of each sound rendition. */
export interface TaskOutput {
  readonly leaseId: LeaseId
  readonly files: ReadonlyArray<RegisteredFile>
  readonly languages: Languages
}

export type Languages = Readonly<Record<string, string>>

export type FailOutcome = { readonly willRetry: boolean; readonly attempt: number }

/** Tasks that the sweeper took back, and those that it gave up on. */
export interface SweepReport {
  readonly requeued: number
  readonly failed: number
  /** The sweeper found that it had not run for a while, and gave every lease more time instead of taking any. */
  readonly extended: boolean
}

export interface JobFilter {
  readonly status?: JobStatus | undefined
  readonly video?: VideoId | undefined
}

export interface Stirring {
  /** Those at work, and those that were created, changed or ended since; the newest changes are the last. */
  readonly jobs: ReadonlyArray<Job>
  /** The database's time of this look. */
  readonly at: Date
  /** Whether there are more than could be given. */
  readonly complete: boolean
}

export class JobStore extends Context.Service<
  JobStore,
  {
    /** Creates a job of one whole task for a video; none while another of its jobs is active. */
    enqueue(options: { readonly video: VideoId } & Wishes): Effect.Effect<Option.Option<JobId>, StoreUnavailable>

    /**
     * Gives the first claimable task that the worker can do to it, in one statement, counting the attempt. A worker
     * without a GPU is not given what profits from one (`profitsFromGpu`) while a living and idle one could take it, for
     * `gpuWaitSeconds` from when the task could first be claimed; not at all where nothing is said.
     */
    claim(options: {
      readonly worker: WorkerId
      readonly leaseSeconds: number
      readonly job: Option.Option<JobId>
      readonly gpuWaitSeconds?: number
    }): Effect.Effect<Option.Option<ClaimedTask>, StoreUnavailable>

    /** Looks whether the holder's lease is the current, unexpired one. Only a hint: each write tests again by itself. */
    held(subject: Subject, holder: Holder): Effect.Effect<HeldTask, LeaseRefused | StoreUnavailable>

    /** Gives the lease its full time again and notes the progress. An expired lease is not revived. */
    renew(
      subject: Subject,
      holder: Holder,
      report: { readonly progress: Progress; readonly facts: SourceFacts | null }
    ): Effect.Effect<{ readonly expiresAt: Date }, LeaseRefused | StoreUnavailable>

    /** Notes a stored file as part of the attempt. The same file again is no error. */
    register(
      subject: Subject,
      holder: Holder,
      file: RegisteredFile
    ): Effect.Effect<void, LeaseRefused | FileConflict | StoreUnavailable>

    /**
     * Notes which encoder the attempt works with, and gives what the newest earlier attempt at the task with the same one
     * registered. None after a failure of an attempt that had gone on with such files: they may be why.
     */
    begin(
      subject: Subject,
      holder: Holder,
      fingerprint: Fingerprint
    ): Effect.Effect<Option.Option<Leavings>, LeaseRefused | StoreUnavailable>

    /** Makes files of an earlier attempt at the task with the same encoder files of this one. Again is no error. */
    adopt(
      subject: Subject,
      holder: Holder,
      from: { readonly lease: LeaseId; readonly files: ReadonlyArray<FileDigest> }
    ): Effect.Effect<void, LeaseRefused | StoreUnavailable>

    /** A file of an attempt, if it was registered. */
    registered(
      lease: LeaseId,
      file: Pick<RegisteredFile, "rendition" | "name">
    ): Effect.Effect<Option.Option<RegisteredFile>, StoreUnavailable>

    /**
     * Ends the task with the registered files that `confirm` picks. When it is the last of its job, `publish` is run with
     * the outputs of all tasks and, in the same transaction, the job ends and the video shows what it made; a failure of
     * either undoes everything. The same call again gives "replayed".
     */
    complete<E>(
      subject: Subject,
      holder: Holder,
      options: {
        readonly facts: SourceFacts
        readonly languages: Languages
        readonly account?: Account
        confirm(registered: ReadonlyArray<RegisteredFile>): Effect.Effect<ReadonlyArray<RegisteredFile>, E>
        publish(publication: LeaseId, outputs: ReadonlyArray<TaskOutput>): Effect.Effect<Published, E>
      }
    ): Effect.Effect<"completed" | "replayed", LeaseRefused | StoreUnavailable | E>

    /** Ends the attempt without a result. */
    fail(
      subject: Subject,
      holder: Holder,
      options: { readonly error: string; readonly retry: boolean; readonly account?: Account }
    ): Effect.Effect<FailOutcome, LeaseRefused | StoreUnavailable>

    /** Gives the task back unharmed: no attempt is used up. */
    release(subject: Subject, holder: Holder): Effect.Effect<void, LeaseRefused | StoreUnavailable>

    /** Takes tasks back whose lease has run out. */
    readonly sweep: Effect.Effect<SweepReport, StoreUnavailable>

    job(id: JobId): Effect.Effect<Option.Option<Job>, StoreUnavailable>
    /** Newest first. */
    jobs(
      options: JobFilter & {
        readonly limit: number
        readonly offset: number
      }
    ): Effect.Effect<ReadonlyArray<Job>, StoreUnavailable>
    countJobs(filter: JobFilter): Effect.Effect<number, StoreUnavailable>
    /** The newest job of each of these videos that has one. */
    latestJobs(videos: ReadonlyArray<VideoId>): Effect.Effect<ReadonlyMap<VideoId, Job>, StoreUnavailable>
    /** Those of the jobs that there are. */
    jobsOf(ids: ReadonlyArray<JobId>): Effect.Effect<ReadonlyArray<Job>, StoreUnavailable>
    /** Jobs in which something happens, or has happened lately. */
    stirring(options: {
      /** Those that changed after it, by the database's clock, but never longer than a day ago; a minute, where it is null. */
      readonly since: Date | null
      readonly limit: number
    }): Effect.Effect<Stirring, StoreUnavailable>
    latestJob(video: VideoId): Effect.Effect<Option.Option<Job>, StoreUnavailable>
    /** Every try at every task of a job, oldest first. */
    attempts(job: JobId): Effect.Effect<ReadonlyArray<Attempt>, StoreUnavailable>
  }
>()("vlog/domain/ports/JobStore") {}
