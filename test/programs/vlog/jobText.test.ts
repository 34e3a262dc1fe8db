import { assert, it } from "vitest"
import type { JobDetail } from "../../../src/adapters/worker-api/contract/Jobs.ts"
import { jobFacts } from "../../../src/programs/vlog/jobText.ts"
import { jobId, leaseId, taskId, videoId } from "../../domain/support/ids.ts"

const progress = { step: null, percent: 0, renditions: [] } as const

const attempted = (stderr: string | null, notes: ReadonlyArray<string>): typeof JobDetail.Type => {
  const common = { attempt: 1, max_attempts: 3, worker_name: "w", progress, last_error: "it broke" }
  const attempt = {
    lease_id: leaseId(1),
    attempt: 1,
    worker_id: null,
    worker_name: "w",
    claimed_at: new Date(0),
    ended_at: new Date(1000),
    outcome: "failed",
    error: "it broke",
    stderr,
    notes
  } as const
  return {
    ...common,
    id: jobId(1),
    video_id: videoId(1),
    video_slug: "film",
    status: "failed",
    priority: 0,
    created_at: new Date(0),
    ended_at: new Date(1000),
    tasks: [{ ...common, id: taskId(1), kind: "whole", state: "failed", attempts: [attempt] }]
  }
}

it("a job is shown with the end of what ffmpeg said, however much that was", () => {
  const words = Array.from({ length: 700 }, (_, line) => `line ${line + 1}`)
  const text = jobFacts(attempted(words.join("\n"), []))
  assert.include(text, "The last lines of ffmpeg in attempt 1 (of 700; --json has them):\n  line 681\n")
  assert.isTrue(text.endsWith("  line 700"))
  assert.include(jobFacts(attempted("one\ntwo", [])), "The last lines of ffmpeg in attempt 1:\n  one\n  two")
})

it("a job is shown with what its worker noted of an attempt", () => {
  const text = jobFacts(attempted(null, ["h264_nvenc on GPU 0 failed", "libx264 was used"]))
  assert.isTrue(text.endsWith("Notes on attempt 1:\n  h264_nvenc on GPU 0 failed\n  libx264 was used"))
})
