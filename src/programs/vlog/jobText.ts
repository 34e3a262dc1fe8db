/** What people are shown of jobs. */
import type { JobDetail, JobTaskAnswer } from "../../adapters/worker-api/contract/Jobs.ts"
import { facts } from "../output/facts.ts"
import { type Page, pageText } from "../output/page.ts"
import { agoText } from "../output/quantities.ts"
import { table } from "../output/table.ts"
import type { Job } from "../output/shownJob.ts"

const progressText = ({ progress, status }: Job) => (status === "running" ? `${progress.percent} %` : "-")

export const jobTable = (jobs: ReadonlyArray<Job>, page: Page, now: number): string =>
  jobs.length === 0
    ? "There is no such job."
    : [
        table([
          ["ID", "VIDEO", "STATUS", "PROGRESS", "PRIORITY", "ATTEMPT", "WORKER", "CREATED"],
          ...jobs.map((job) => [
            String(job.id),
            job.video_slug,
            job.status,
            progressText(job),
            String(job.priority),
            `${job.attempt} of ${job.max_attempts}`,
            job.worker_name ?? "-",
            agoText(now - job.created_at.getTime())
          ])
        ]),
        ...pageText(jobs.length, page)
      ].join("\n")

type Task = typeof JobTaskAnswer.Type

/** What explains a failure stands at the end. */
const linesShown = 20

const wordsText = (attempt: number, stderr: string): ReadonlyArray<string> => {
  const lines = stderr.split("\n")
  const all = lines.length > linesShown ? ` (of ${lines.length}; --json has them)` : ""
  return [
    "",
    `The last lines of ffmpeg in attempt ${attempt}${all}:`,
    table(lines.slice(-linesShown).map((line) => [`  ${line}`]))
  ]
}

const notesText = ({ attempt, notes }: Task["attempts"][number]): ReadonlyArray<string> =>
  notes.length === 0 ? [] : ["", `Notes on attempt ${attempt}:`, table(notes.map((note) => [`  ${note}`]))]

const attemptsText = ({ attempts, id, kind }: Task): ReadonlyArray<string> => {
  if (attempts.length === 0) return []
  const told = attempts.findLast(({ stderr }) => stderr !== null && stderr !== "")
  return [
    "",
    `Attempts at task ${id} (${kind}):`,
    table([
      ["ATTEMPT", "WORKER", "CLAIMED", "ENDED", "OUTCOME", "ERROR"],
      ...attempts.map((attempt) => [
        String(attempt.attempt),
        attempt.worker_name ?? "-",
        attempt.claimed_at.toISOString(),
        attempt.ended_at?.toISOString() ?? "-",
        attempt.outcome ?? "at work",
        attempt.error?.split("\n")[0] ?? "-"
      ])
    ]),
    ...attempts.flatMap(notesText),
    ...(told === undefined ? [] : wordsText(told.attempt, told.stderr!))
  ]
}

export const jobFacts = (job: typeof JobDetail.Type): string =>
  [
    facts([
      ["job", String(job.id)],
      ["video", job.video_slug],
      ["status", job.status],
      ["progress", job.status === "running" ? `${job.progress.percent} % (${job.progress.step ?? "starting"})` : null],
      ["priority", String(job.priority)],
      ["attempt", `${job.attempt} of ${job.max_attempts}`],
      ["worker", job.worker_name],
      ["created", job.created_at.toISOString()],
      ["ended", job.ended_at?.toISOString() ?? null],
      ["error", job.last_error]
    ]),
    ...job.tasks.flatMap(attemptsText)
  ].join("\n")
