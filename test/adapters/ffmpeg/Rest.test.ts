import { mkdtempSync } from "node:fs"
import { rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Layer, Stream } from "effect"
import { afterAll } from "vitest"
import * as Probe from "../../../src/adapters/ffmpeg/Probe.ts"
import * as FfmpegTranscoder from "../../../src/adapters/ffmpeg/Transcoder.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"
import { wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import { MediaProbe } from "../../../src/domain/ports/MediaProbe.ts"
import { Transcoder } from "../../../src/domain/ports/Transcoder.ts"
import { ffmpegWith } from "../../support/media.ts"

const folder = mkdtempSync(join(tmpdir(), "vlog-rest-"))

afterAll(() => rm(folder, { recursive: true, force: true }))

const layers = Layer.mergeAll(Probe.layer, FfmpegTranscoder.layer({ stallAfter: Duration.seconds(6) })).pipe(
  Layer.provide(Subprocess.layer)
)

/** Looks are a fifth of a second apart. */
const looks = 35

it.live(
  "an encoder rests as long as it is told to, which nobody takes for a stall, and then goes on",
  () =>
    Effect.gen(function* () {
      const source = join(folder, "film.mkv")
      yield* Effect.promise(() =>
        ffmpegWith("-f lavfi -i testsrc2=s=640x360:r=30:d=8 -c:v libx264 -preset ultrafast", source)
      )
      const plan = wholeSource(yield* (yield* MediaProbe).probe(source), {
        encoder: { name: "libx264", codec: "h264", backend: "software", device: null }
      })
      let asked = 0
      const frames: Array<number> = []
      const files = yield* (yield* Transcoder)
        .transcode({ plan, source, folder: join(folder, "output"), held: Effect.sync(() => ++asked <= looks) })
        .pipe(
          Stream.tap((event) =>
            Effect.sync(() => event._tag === "Advanced" && asked <= looks && frames.push(event.frames))
          ),
          Stream.filter((event) => event._tag === "FileReady" && event.name.endsWith(".m4s")),
          Stream.runCollect
        )
      assert.isAbove(asked, looks)
      assert.isBelow(Math.max(0, ...frames), plan.frames)
      assert.strictEqual(files.length, 2 * plan.video.length)
    }).pipe(Effect.provide(layers)),
  60_000
)
