/** A worker whose disk really gets full: a small one of its own, in a namespace. */
import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { bubblewrapWorks } from "../support/bubblewrap.ts"
import { ffmpegWith } from "../support/media.ts"

const fixture = fileURLToPath(new URL("full-disk.fixture.ts", import.meta.url))
const diskBytes = 16 * 1024 ** 2

let folder: string
let film: string

/** Ten segments with grain: much is left to do when the first one is there. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-full-disk-"))
  film = join(folder, "film.mp4")
  await ffmpegWith(
    "-f lavfi -i testsrc2=s=320x180:r=30:d=40,noise=alls=20:allf=t -pix_fmt yuv420p -c:v libx264 -preset ultrafast -crf 32",
    film
  )
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const onSmallDisk = async (way: "rests" | "gives-up" | "full-at-once") => {
  const disk = ["--size", String(diskBytes), "--tmpfs", "/mnt"]
  const words = ["--dev-bind", "/", "/", ...disk, process.execPath, fixture, "/mnt", film, way]
  const { stdout } = await promisify(execFile)("bwrap", words)
  return JSON.parse(stdout) as {
    readonly rested: boolean
    readonly uploads: number
    readonly done: boolean
    readonly error: string | null
    readonly full: boolean
    readonly retry: boolean
  }
}

describe.runIf(bubblewrapWorks)("an attempt on a disk that gets full", () => {
  it("has its encoder rest, and goes on when there is room again", async () => {
    const { done, error, rested, uploads } = await onSmallDisk("rests")
    assert.isTrue(done, error ?? "")
    assert.isTrue(rested)
    // Of pictures ten segments and the first one's head, and the poster.
    assert.strictEqual(uploads, 12)
  })

  it("fails, to be tried again, where there is no room for too long", async () => {
    const ending = await onSmallDisk("gives-up")
    assert.deepInclude(ending, { done: false, rested: true, full: true, retry: true })
    assert.match(ending.error ?? "", /The disk of \/mnt\/work has [01] MB left/)
  })

  it("fails, to be tried again, where ffmpeg finds it full", async () => {
    const ending = await onSmallDisk("full-at-once")
    assert.deepInclude(ending, { done: false, uploads: 0, retry: true })
    assert.include(ending.error, "No space left on device")
  })
})
