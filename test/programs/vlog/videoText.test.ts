import { assert, it } from "vitest"
import type { VideoWithJob } from "../../../src/adapters/worker-api/contract/Videos.ts"
import { videoTable } from "../../../src/programs/vlog/videoText.ts"

const titled = (title: string): typeof VideoWithJob.Type => ({
  video: {
    id: 1 as never,
    slug: "film" as never,
    title,
    status: "pending",
    source_filename: "film.mp4",
    source_bytes: 5,
    source_sha256: "0".repeat(64) as never,
    duration: null,
    width: null,
    height: null,
    created_at: new Date(0),
    published_at: null
  },
  job: null
})

it("one long title makes no list too wide for a terminal, and a terminal obeys none", () => {
  const long = "🎬".repeat(200)
  const lines = videoTable([titled(long), titled("bad \u001B[2J\n\u202Eneved")], { total: 2, offset: 0 }, 0).split("\n")
  assert.include(lines[1], `${"🎬".repeat(39)}…  pending`)
  assert.notInclude(lines[1], "🎬".repeat(40))
  assert.match(lines[2]!, /^film {2}bad {2}\[2J {2}neved /)
})
