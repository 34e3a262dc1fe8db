/** What the pages show of videos and jobs. */
import { furthestBehind, type Job } from "../../domain/jobs/Job.ts"
import * as DashManifest from "../../domain/media/DashManifest.ts"
import * as FrameRate from "../../domain/media/FrameRate.ts"
import * as HlsPlaylist from "../../domain/media/HlsPlaylist.ts"
import type { PlaylistRendition, Published } from "../../domain/media/PlaylistPresentation.ts"
import type { Track } from "../../domain/media/Presentation.ts"
import { averageBitrate, peakBitrate } from "../../domain/media/Presentation.ts"
import { posterName, posterRendition } from "../../domain/media/Segment.ts"
import type { Video } from "../../domain/videos/Video.ts"
import type { ListView } from "./ListPage.ts"
import type { ShownState } from "./State.ts"
import type { WatchJob, WatchOutput, WatchView } from "./WatchView.ts"

const jobStates: Readonly<Record<Job["status"], ShownState>> = {
  queued: "waiting",
  running: "transcoding",
  done: "published",
  failed: "failed",
  cancelled: "cancelled"
}

const address = (video: Video, path: string) => `/videos/${video.slug}/${path}`

const posterOf = (video: Video) =>
  video.published === null ? null : address(video, `${video.published}/${posterRendition}/${posterName}`)

const problemOf = (job: Job) => job.lastError ?? furthestBehind(job)?.lastError ?? null

export const videoRow = (video: Video, job: Job | null): ListView["videos"][number] => ({
  slug: video.slug,
  title: video.title,
  state: video.published !== null ? "published" : job === null ? "waiting" : jobStates[job.status],
  durationSeconds: video.facts?.duration ?? null,
  bestResolution: video.facts === null ? null : `${Math.min(video.facts.width, video.facts.height)}p`,
  createdAt: video.createdAt,
  posterUrl: posterOf(video)
})

export const jobRow = (job: Job, title: string): ListView["jobs"][number] => {
  const task = furthestBehind(job)
  return {
    id: String(job.id),
    videoSlug: job.slug,
    videoTitle: title,
    state: jobStates[job.status],
    percent: task?.progress?.percent ?? null,
    attempt: task?.attempt ?? 0,
    workerName: task?.workerName ?? null,
    lastError: problemOf(job)
  }
}

const rendition = (track: Track): WatchOutput["renditions"][number] => ({
  name: track.name,
  codec: track.codecs,
  width: "width" in track ? track.width : null,
  height: "height" in track ? track.height : null,
  frameRate: "frameRate" in track ? FrameRate.toNumber(track.frameRate) : null,
  averageBitRate: averageBitrate(track),
  peakBitRate: peakBitrate(track),
  segments: track.segments.length
})

const playlistRendition = (rendition: PlaylistRendition): WatchOutput["renditions"][number] => ({
  name: rendition.name,
  codec: rendition.codecs ?? "",
  width: rendition.width,
  height: rendition.height,
  frameRate: rendition.frameRate,
  averageBitRate: rendition.averageBitrate,
  peakBitRate: rendition.peakBitrate,
  segments: rendition.segments
})

const renditionsOf = (published: Published): WatchOutput["renditions"] =>
  "renditions" in published
    ? published.renditions.map(playlistRendition)
    : [...published.video, ...published.audio].map(rendition)

const outputOf = (video: Video, presentation: Published | null): WatchOutput | null => {
  if (presentation === null || video.publishedAt === null) return null
  const masterUrl = address(video, HlsPlaylist.masterName)
  // Players do better with the playlists where a rendition holds its own sound.
  const dashUrl = "renditions" in presentation ? null : address(video, DashManifest.manifestName)
  return {
    publishedAt: video.publishedAt,
    manifestUrl: dashUrl ?? masterUrl,
    masterUrl,
    dashUrl,
    posterUrl: posterOf(video),
    renditions: renditionsOf(presentation)
  }
}

const pendingJob = (job: Job | null): WatchJob | null => {
  switch (job?.status) {
    case "queued":
      return { state: "waiting" }
    case "running": {
      const progress = furthestBehind(job)?.progress
      return {
        state: "transcoding",
        percent: progress?.percent ?? 0,
        secondsLeft: progress?.renditions[0]?.secondsLeft ?? null
      }
    }
    case "failed":
      return { state: "failed", reason: problemOf(job) ?? "The reason was not recorded" }
    case "cancelled":
      return { state: "cancelled" }
    default:
      return null
  }
}

export const watchView = (video: Video, presentation: Published | null, job: Job | null): WatchView => ({
  slug: video.slug,
  title: video.title,
  createdAt: video.createdAt,
  source: {
    durationSeconds: video.facts?.duration ?? null,
    width: video.facts?.width ?? null,
    height: video.facts?.height ?? null,
    bytes: video.source.bytes
  },
  output: outputOf(video, presentation),
  job: pendingJob(job)
})
