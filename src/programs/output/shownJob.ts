/** A job as the API tells of it, for the terminal. */
import type { ShownJob } from "../../adapters/terminal/JobLines.ts"
import type { JobAnswer } from "../../adapters/worker-api/contract/Jobs.ts"

export type Job = typeof JobAnswer.Type

export const shown = (job: Job): ShownJob => ({
  name: job.video_slug,
  status: job.status,
  step: job.progress.step,
  percent: job.progress.percent,
  renditions: job.progress.renditions,
  problem: job.last_error
})
