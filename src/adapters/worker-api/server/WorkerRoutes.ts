/** What workers call. */
import { Duration, Effect, Option } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import type { JobId, WorkerId } from "../../../domain/ids.ts"
import { printable } from "../../../domain/jobs/Attempt.ts"
import { DeliveryStore } from "../../../domain/ports/DeliveryStore.ts"
import { JobNews } from "../../../domain/ports/JobNews.ts"
import { JobSignal } from "../../../domain/ports/JobSignal.ts"
import type { Holder } from "../../../domain/ports/JobStore.ts"
import { JobStore } from "../../../domain/ports/JobStore.ts"
import { MediaStore } from "../../../domain/ports/MediaStore.ts"
import { VideoStore } from "../../../domain/ports/VideoStore.ts"
import { WorkerRegistry } from "../../../domain/ports/WorkerRegistry.ts"
import { claimTask } from "../../../domain/programs/ClaimTask.ts"
import { completeDelivery } from "../../../domain/programs/CompleteDelivery.ts"
import { completeTask } from "../../../domain/programs/CompleteTask.ts"
import { adoptParts, beginAttempt } from "../../../domain/programs/ResumeAttempt.ts"
import { Api } from "../contract/Api.ts"
import { CallingWorker } from "../contract/Auth.ts"
import { clamped } from "../contract/Capabilities.ts"
import { Unprocessable } from "../contract/Errors.ts"
import type { Completion } from "../contract/Worker.ts"
import { claimAnswer, noJob } from "./Claims.ts"
import { countAttempts, countCompleted, countFailedAttempt, countHeartbeat, countJob } from "./Metrics.ts"
import { diskRefused, leaseRefused, unavailable } from "./Refusals.ts"
import { accountOf, factsOf, holderOf, progressOf } from "./Reports.ts"
import { ApiSettings } from "./Settings.ts"
import { makeTransfers } from "./Transfers.ts"
import { verify } from "./Verification.ts"

/** What this server adds to the protocol; a worker uses an addition only when it is named here. */
const features = ["lease", "task", "release", "files", "wait", "cancelled", "account", "resume"] as const

/** What a worker of the older protocol, which knows no release, says when it is told to stop. */
const toldToStop = "Shutdown requested"

export const workerRoutes = HttpApiBuilder.group(
  Api,
  "worker",
  Effect.fn(function* (handlers) {
    const settings = yield* ApiSettings
    const jobs = yield* JobStore
    const videos = yield* VideoStore
    const registry = yield* WorkerRegistry
    const media = yield* MediaStore
    const deliveries = yield* DeliveryStore
    const signal = yield* JobSignal
    const news = yield* JobNews
    const transfers = yield* makeTransfers

    const leaseSecondsFor = (wished: number | undefined) =>
      wished === undefined ? settings.claimSeconds : Math.round(Math.min(Math.max(wished, 5), settings.claimSeconds))

    const incomplete = (job: JobId, what: string) => new Unprocessable({ detail: `Job ${job}: ${what} needed` })

    /** Workers that hold a lease list their files; the others name their renditions. */
    const finish = Effect.fnUntraced(function* (job: JobId, holder: Holder, completion: typeof Completion.Type) {
      const facts = factsOf(completion)
      if (facts === null) return yield* incomplete(job, "duration, source_width and source_height are")
      if (completion.files !== undefined) {
        return yield* completeTask({ job }, holder, {
          facts,
          files: completion.files,
          account: accountOf(completion),
          languages: completion.languages ?? {}
        })
      }
      if (holder.lease !== null) return yield* incomplete(job, "files are")
      return yield* completeDelivery({ job }, holder, {
        facts,
        qualities: completion.qualities,
        account: accountOf(completion)
      })
    })

    /** As a release: being told to stop says nothing against the job. */
    const giveBack = Effect.fnUntraced(
      function* (job: JobId, holder: Holder) {
        yield* jobs.release({ job }, holder)
        yield* countAttempts("released")
        yield* Effect.logInfo("released", { job, worker: holder.worker })
        const found = yield* jobs.job(job)
        const attempt = Option.match(found, { onNone: () => 0, onSome: ({ tasks }) => tasks[0]?.attempt ?? 0 })
        return { status: "ok" as const, will_retry: true, attempt_number: attempt }
      },
      Effect.catchTags({ LeaseRefused: leaseRefused(false), StoreUnavailable: unavailable })
    )

    const count = Effect.fnUntraced(function* (id: JobId, worker: WorkerId) {
      const job = Option.getOrNull(yield* Effect.orElseSucceed(jobs.job(id), () => Option.none()))
      yield* countCompleted(job, job?.tasks.find((task) => task.worker === worker)?.workerName ?? null)
    })

    return handlers
      .handle(
        "heartbeat",
        Effect.fnUntraced(function* ({ payload }) {
          const { id } = yield* CallingWorker
          const capabilities = payload.metadata?.capabilities
          const metadata = {
            ...payload.metadata,
            ...(capabilities === undefined ? {} : { capabilities: clamped(capabilities) }),
            ...(payload.code_version == null ? {} : { code_version: payload.code_version })
          }
          const worker = yield* Effect.catchTag(
            registry.heartbeat(id, { status: payload.status, metadata }),
            "StoreUnavailable",
            unavailable
          )
          const now = worker.lastHeartbeat ?? new Date()
          const cancelled = yield* Effect.catchTag(registry.cancelled(id), "StoreUnavailable", unavailable)
          yield* countHeartbeat(id)
          return {
            status: "ok" as const,
            server_time: now,
            required_version: settings.version,
            version_ok: true,
            worker_status: worker.status,
            current_job_id: worker.currentJob,
            last_heartbeat_recorded: now,
            cancelled: cancelled.map(({ job, lease }) => ({ job_id: job, lease_id: lease })),
            worker_id: id,
            server: { name: "vlog", version: settings.version, features }
          }
        })
      )
      .handle(
        "claim",
        Effect.fnUntraced(function* ({ headers, query }) {
          const { id } = yield* CallingWorker
          const leaseSeconds = leaseSecondsFor(headers["x-lease-seconds"])
          const claimed = yield* claimTask(
            {
              worker: id,
              leaseSeconds,
              job: Option.fromUndefinedOr(query.job_id),
              gpuWaitSeconds: settings.gpuWaitSeconds
            },
            Duration.seconds(query.wait ?? 0)
          ).pipe(
            Effect.provideService(JobStore, jobs),
            Effect.provideService(JobSignal, signal),
            Effect.catchTag("StoreUnavailable", unavailable)
          )
          if (Option.isNone(claimed)) return noJob
          yield* news.tell(claimed.value.jobId)
          const video = yield* Effect.catchTag(videos.byId(claimed.value.videoId), "StoreUnavailable", unavailable)
          yield* countJob("started")
          yield* Effect.logInfo("claimed", { job: claimed.value.jobId, attempt: claimed.value.attempt, worker: id })
          return claimAnswer(claimed.value, Option.getOrNull(video)?.facts ?? null, leaseSeconds)
        })
      )
      .handle(
        "begin",
        Effect.fnUntraced(function* ({ headers, params, payload }) {
          const holder = yield* holderOf(headers)
          const left = yield* beginAttempt({ job: params.job_id }, holder, payload.fingerprint).pipe(
            Effect.provideService(JobStore, jobs),
            Effect.provideService(MediaStore, media),
            Effect.catchTags({ LeaseRefused: leaseRefused(holder.lease !== null), StoreUnavailable: unavailable })
          )
          return { resume: Option.getOrNull(Option.map(left, ({ files, lease }) => ({ lease_id: lease, files }))) }
        })
      )
      .handle(
        "adopt",
        Effect.fnUntraced(function* ({ headers, params, payload: { files, lease_id } }) {
          const holder = yield* holderOf(headers)
          yield* adoptParts({ job: params.job_id }, holder, { lease: lease_id, files }).pipe(
            Effect.provideService(JobStore, jobs),
            Effect.provideService(MediaStore, media),
            Effect.catchTags({
              LeaseRefused: leaseRefused(holder.lease !== null),
              MediaStoreError: diskRefused,
              StoreUnavailable: unavailable
            })
          )
          yield* Effect.logInfo("resumed", { job: params.job_id, files: files.length, from: lease_id })
          return { status: "ok" as const }
        })
      )
      .handle(
        "progress",
        Effect.fnUntraced(function* ({ headers, params, payload }) {
          const holder = yield* holderOf(headers)
          const { expiresAt } = yield* jobs
            .renew({ job: params.job_id }, holder, {
              progress: progressOf(payload),
              facts: factsOf(payload)
            })
            .pipe(
              Effect.catchTags({ LeaseRefused: leaseRefused(holder.lease !== null), StoreUnavailable: unavailable })
            )
          yield* news.tell(params.job_id)
          return { status: "ok" as const, claim_expires_at: expiresAt }
        })
      )
      .handle(
        "complete",
        Effect.fnUntraced(function* ({ headers, params, payload }) {
          const holder = yield* holderOf(headers)
          const outcome = yield* finish(params.job_id, holder, payload).pipe(
            Effect.provideService(JobStore, jobs),
            Effect.provideService(MediaStore, media),
            Effect.provideService(DeliveryStore, deliveries),
            Effect.catchTags({
              LeaseRefused: leaseRefused(holder.lease !== null),
              OutputIncomplete: (error) => Effect.fail(new Unprocessable({ detail: error.message })),
              MediaStoreError: diskRefused,
              StoreUnavailable: unavailable
            })
          )
          if (outcome === "completed") {
            yield* news.tell(params.job_id)
            yield* count(params.job_id, holder.worker)
            yield* Effect.logInfo("completed", { job: params.job_id, worker: holder.worker })
          }
          return {
            status: "ok" as const,
            message: outcome === "completed" ? "Job completed successfully" : "Job already completed"
          }
        })
      )
      .handle(
        "fail",
        Effect.fnUntraced(function* ({ headers, params, payload }) {
          const holder = yield* holderOf(headers)
          if (holder.lease === null && payload.retry && payload.error_message === toldToStop) {
            return yield* giveBack(params.job_id, holder)
          }
          const { attempt, willRetry } = yield* jobs
            .fail({ job: params.job_id }, holder, {
              error: printable(payload.error_message),
              retry: payload.retry,
              account: accountOf(payload)
            })
            .pipe(
              Effect.catchTags({ LeaseRefused: leaseRefused(holder.lease !== null), StoreUnavailable: unavailable })
            )
          yield* news.tell(params.job_id)
          yield* countJob(willRetry ? "retried" : "failed")
          yield* countFailedAttempt(payload.reason)
          yield* Effect.logWarning("attempt failed", { job: params.job_id, willRetry, problem: payload.error_message })
          return { status: "ok" as const, will_retry: willRetry, attempt_number: attempt }
        })
      )
      .handle(
        "release",
        Effect.fnUntraced(function* ({ headers, params }) {
          const holder = yield* holderOf(headers)
          yield* jobs
            .release({ job: params.job_id }, holder)
            .pipe(
              Effect.catchTags({ LeaseRefused: leaseRefused(holder.lease !== null), StoreUnavailable: unavailable })
            )
          yield* countAttempts("released")
          yield* Effect.logInfo("released", { job: params.job_id, worker: holder.worker })
          return { status: "ok" as const }
        })
      )
      .handle(
        "verifyComplete",
        Effect.fnUntraced(function* ({ params }) {
          const { id } = yield* CallingWorker
          return yield* verify({ jobs, videos, media }, params.job_id, id)
        })
      )
      .handleRaw("source", transfers.source)
      .handleRaw("segment", transfers.segment)
  })
)
