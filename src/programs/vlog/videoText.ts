/** What people are shown of videos. */
import { clock } from "../../adapters/terminal/Bar.ts"
import type { VideoDetail, VideoWithJob } from "../../adapters/worker-api/contract/Videos.ts"
import { facts } from "../output/facts.ts"
import { type Page, pageText } from "../output/page.ts"
import { agoText, bytesText } from "../output/quantities.ts"
import { table } from "../output/table.ts"
import { jobTable } from "./jobText.ts"

/** A row of a list has room for the beginning of a long title; `show` has all of it. */
const clipped = (title: string) => {
  const characters = [...title]
  return characters.length > 40 ? `${characters.slice(0, 39).join("")}…` : title
}

export const videoTable = (videos: ReadonlyArray<typeof VideoWithJob.Type>, page: Page, now: number): string =>
  videos.length === 0
    ? "There is no such video. Upload one with: vlog video upload FILE"
    : [
        table([
          ["SLUG", "TITLE", "STATUS", "LENGTH", "SIZE", "JOB", "UPLOADED"],
          ...videos.map(({ job, video }) => [
            video.slug,
            clipped(video.title),
            video.status,
            video.duration === null ? "-" : clock(video.duration),
            bytesText(video.source_bytes),
            job === null ? "-" : `${job.id} ${job.status}`,
            agoText(now - video.created_at.getTime())
          ])
        ]),
        ...pageText(videos.length, page)
      ].join("\n")

export const videoFacts = (detail: typeof VideoDetail.Type, address: string, now: number): string => {
  const { jobs, publication, video } = detail
  const at = (path: string | null | undefined) => (path == null ? null : `${address}${path}`)
  return [
    facts([
      ["video", video.slug],
      ["title", video.title],
      ["status", video.status],
      ["source", `${video.source_filename}, ${bytesText(video.source_bytes)}`],
      ["sha256", video.source_sha256],
      ["length", video.duration === null ? null : clock(video.duration)],
      ["size", video.width === null ? null : `${video.width}x${video.height}`],
      ["uploaded", video.created_at.toISOString()],
      ["published", video.published_at?.toISOString() ?? null],
      ["renditions", publication?.renditions.join(", ") ?? null],
      ["watch", at(publication?.watch)],
      ["HLS", at(publication?.hls)],
      ["DASH", at(publication?.dash)]
    ]),
    "",
    jobTable(jobs, { total: jobs.length, offset: 0 }, now)
  ].join("\n")
}
