/** A job as lines of text: one bar a rendition, with speed and time left. */
import type { RenditionProgress, Step } from "../../domain/jobs/Progress.ts"
import { bar, barWidth, clock } from "./Bar.ts"

export interface ShownJob {
  readonly name: string
  readonly status: "queued" | "running" | "done" | "failed" | "cancelled"
  readonly step: Step | null
  readonly percent: number
  readonly renditions: ReadonlyArray<RenditionProgress>
  readonly problem: string | null
}

const steps: Readonly<Record<Step, string>> = {
  download: "fetching the source",
  probe: "looking into the source",
  thumbnail: "choosing a poster",
  transcode: "transcoding",
  master_playlist: "writing playlists",
  upload: "uploading",
  finalize: "checking and publishing"
}

const statusText = (job: ShownJob): string => {
  switch (job.status) {
    case "queued":
      return job.problem === null ? "waiting for a worker" : `will be tried again: ${job.problem}`
    case "running":
      return job.step === null ? "starting" : steps[job.step]
    case "done":
      return "published"
    case "failed":
      return `failed: ${job.problem ?? "no reason was given"}`
    case "cancelled":
      return "cancelled"
  }
}

const nameWidth = 9

const speedText = (rendition: RenditionProgress): string =>
  [
    ...(rendition.speed === null ? [] : [`${rendition.speed.toFixed(2)}x`]),
    ...(rendition.secondsLeft === null || rendition.percent === 100 ? [] : [`${clock(rendition.secondsLeft)} left`])
  ].join("  ")

/** For a terminal of `columns`: a heading, and while it runs a bar a rendition. No line is wider than the terminal. */
export const jobLines = (job: ShownJob, columns: number): ReadonlyArray<string> => {
  const bars = job.status === "running" ? job.renditions : []
  return [
    `${job.name}: ${statusText(job).split("\n")[0]}`,
    ...bars.map((rendition) =>
      `  ${rendition.name.padEnd(nameWidth)} ${bar(rendition.percent, barWidth(columns))} ${String(
        rendition.percent
      ).padStart(3)} %  ${speedText(rendition)}`.trimEnd()
    )
  ].map((line) => line.slice(0, columns))
}

/** For a log: one line that says how far the job is. */
export const jobLine = (job: ShownJob): string => {
  const [first] = job.renditions
  const pace = first === undefined ? "" : speedText(first)
  const moving = job.status === "running" ? ` ${job.percent} %${pace === "" ? "" : ` (${pace})`}` : ""
  return `${job.name}: ${statusText(job)}${moving}`
}
