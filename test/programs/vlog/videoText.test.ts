import { assert, it } from "vitest"
import type { VideoWithJob } from "../../../src/adapters/worker-api/contract/Videos.ts"
import { Slug } from "../../../src/domain/videos/Slug.ts"
import { videoTable } from "../../../src/programs/vlog/videoText.ts"
import { sha256, videoId } from "../../domain/support/ids.ts"

const titled = (title: string): typeof VideoWithJob.Type => ({
  video: {
    id: videoId(1),
    slug: Slug.make("film"),
    title,
    status: "pending",
    source_filename: "film.mp4",
    source_bytes: 5,
    source_sha256: sha256(1),
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
