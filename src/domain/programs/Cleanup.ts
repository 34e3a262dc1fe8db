/** Takes back what dead workers hold and removes what nobody will ask for again. Safe beside the API and beside itself. */
import { Effect } from "effect"
import { type Breach, JobUpkeep } from "../ports/JobUpkeep.ts"
import { JobStore } from "../ports/JobStore.ts"
import { MediaUpkeep } from "../ports/MediaUpkeep.ts"
import { UploadUpkeep } from "../ports/UploadUpkeep.ts"
import { VideoStore } from "../ports/VideoStore.ts"
import { removeFiles } from "./RemoveVideo.ts"

export interface CleanupOptions {
  readonly dryRun: boolean
  /** A worker that was silent for longer is offline. */
  readonly silentMinutes: number
  /** Files that nobody touched for longer may go, when no lease reaches them. */
  readonly fileHours: number
  /** Attempts without a result are remembered for so long. */
  readonly historyDays: number
}

export interface CleanupReport {
  readonly dryRun: boolean
  readonly requeued: number
  readonly failed: number
  /** The API had been away: leases got more time instead of being taken. */
  readonly extended: boolean
  /** In a dry run: leases that ran out. */
  readonly expired: number
  readonly offline: ReadonlyArray<string>
  readonly attempts: ReadonlyArray<string>
  /** Deleted videos that had files left. */
  readonly videos: ReadonlyArray<number>
  readonly temporaries: ReadonlyArray<string>
  /** Uploads that nobody went on with in time, and those that became videos and need not be remembered. */
  readonly uploads: ReadonlyArray<string>
  readonly forgotten: number
  readonly breaches: ReadonlyArray<Breach>
}

const releaseTasks = Effect.fnUntraced(function* (dryRun: boolean) {
  const jobs = yield* JobStore
  const upkeep = yield* JobUpkeep
  const expired = yield* upkeep.expired
  if (dryRun) return { requeued: 0, failed: 0, extended: false, expired }
  const swept = yield* jobs.sweep
  if (swept.extended) yield* Effect.logInfo("the API was away: every lease got its full time again")
  if (swept.requeued + swept.failed > 0) yield* Effect.logInfo("took tasks back from lost workers", { ...swept })
  return { ...swept, expired: 0 }
})

const markSilent = Effect.fnUntraced(function* (options: CleanupOptions) {
  const upkeep = yield* JobUpkeep
  const names = yield* options.dryRun ? upkeep.silentWorkers(options) : upkeep.markOffline(options)
  for (const name of names) yield* Effect.logInfo("a worker is silent", { worker: name, dryRun: options.dryRun })
  return names
})

/** The folders first, then the leases: one that is claimed in between is not in the list of folders. */
const removeAttempts = Effect.fnUntraced(function* (options: CleanupOptions) {
  const media = yield* MediaUpkeep
  const upkeep = yield* JobUpkeep
  const idle = yield* media.idleAttempts({ hours: options.fileHours })
  if (idle.length === 0) return []
  const reachable = yield* upkeep.reachableLeases
  const unreachable = idle.filter((lease) => !reachable.has(lease))
  for (const lease of unreachable) {
    if (!options.dryRun) yield* media.removeAttempt(lease)
    yield* Effect.logInfo("files of an ended attempt", { lease, dryRun: options.dryRun })
  }
  return unreachable
})

/** Those of videos that were deleted while the disk, or whoever deleted them, failed. */
const removeVideos = Effect.fnUntraced(function* (options: CleanupOptions) {
  const videos = yield* VideoStore
  const left = yield* videos.withFilesLeft
  for (const video of left) {
    if (!options.dryRun) yield* removeFiles(video)
    yield* Effect.logInfo("files of a deleted video", { video: video.id, dryRun: options.dryRun })
  }
  if (!options.dryRun) yield* videos.forgetRemoved({ days: options.historyDays })
  return left.map(({ id }) => id)
})

const removeTemporaries = Effect.fnUntraced(function* (options: CleanupOptions) {
  const media = yield* MediaUpkeep
  const paths = yield* media.idleTemporaries({ hours: options.fileHours })
  for (const path of paths) {
    if (!options.dryRun) yield* media.removeTemporary(path)
    yield* Effect.logInfo("an upload that never ended", { path, dryRun: options.dryRun })
  }
  return paths
})

/**
 * First out of the database, so that nobody goes on with bytes that are gone. Bytes of which the database knows nothing
 * are looked for before it is asked: an upload that begins in between is not among them.
 */
const removeUploads = Effect.fnUntraced(function* (options: CleanupOptions) {
  const media = yield* MediaUpkeep
  const uploads = yield* UploadUpkeep
  const idle = yield* media.idleArriving({ hours: options.fileHours })
  const ended = yield* options.dryRun ? uploads.expired : uploads.forgetExpired
  const reachable = yield* uploads.reachable
  for (const { id } of ended) yield* Effect.logInfo("an upload that expired", { upload: id, dryRun: options.dryRun })
  const unreachable = [
    ...ended.flatMap(({ arriving }) => arriving ?? []),
    ...idle.filter((arriving) => !reachable.has(arriving))
  ]
  if (!options.dryRun) yield* Effect.forEach(new Set(unreachable), media.removeArriving, { discard: true })
  return ended.map(({ id }) => id)
})

const forget = Effect.fnUntraced(function* (options: CleanupOptions) {
  const upkeep = yield* JobUpkeep
  const history = { days: options.historyDays }
  const count = yield* options.dryRun ? upkeep.oldAttempts(history) : upkeep.forgetAttempts(history)
  if (count > 0) yield* Effect.logInfo("old attempts without a result", { count, dryRun: options.dryRun })
  return count
})

/** The database cannot see whether a folder is there, the disk not whether it should be. */
const audit = Effect.gen(function* () {
  const upkeep = yield* JobUpkeep
  const media = yield* MediaUpkeep
  const found = yield* upkeep.audit
  const published = yield* upkeep.publications
  const missing = yield* Effect.filter(published, (id) => Effect.map(media.hasPublication(id), (there) => !there))
  const breaches = [
    ...found,
    ...missing.map((id): Breach => ({ invariant: "I9", problem: `the files of publication ${id} are not there` }))
  ]
  for (const breach of breaches) yield* Effect.logError("an invariant does not hold", { ...breach })
  return breaches
})

export const cleanup = Effect.fn("cleanup")(function* (options: CleanupOptions) {
  const tasks = yield* Effect.withSpan(releaseTasks(options.dryRun), "cleanup.tasks")
  const offline = yield* Effect.withSpan(markSilent(options), "cleanup.workers")
  const attempts = yield* Effect.withSpan(removeAttempts(options), "cleanup.attempts")
  const videos = yield* Effect.withSpan(removeVideos(options), "cleanup.videos")
  const temporaries = yield* Effect.withSpan(removeTemporaries(options), "cleanup.temporaries")
  const uploads = yield* Effect.withSpan(removeUploads(options), "cleanup.uploads")
  const forgotten = yield* Effect.withSpan(forget(options), "cleanup.history")
  const breaches = yield* Effect.withSpan(audit, "cleanup.audit")
  const report: CleanupReport = {
    dryRun: options.dryRun,
    ...tasks,
    offline,
    attempts,
    videos,
    temporaries,
    uploads,
    forgotten,
    breaches
  }
  return report
})
