/** An ffmpeg that neither ends nor says anything, and one without its ffprobe. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { access, mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { detect } from "../../../src/adapters/ffmpeg/Detection.ts"
import * as FfmpegTranscoder from "../../../src/adapters/ffmpeg/Transcoder.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"
import { wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import { Transcoder } from "../../../src/domain/ports/Transcoder.ts"
import { source } from "../../domain/support/sources.ts"
import { program, programsIn } from "../../support/drivers.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "vlog-hanging-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** Waits on the clock of the machine: the programs are real. */
const started = (path: string) =>
  Effect.promise(async () => {
    const there = () =>
      access(path).then(
        () => true,
        () => false
      )
    while (!(await there())) await sleep(20)
  })

const hangingIn = Effect.fnUntraced(function* (bin: string) {
  yield* program(join(bin, "ffmpeg"), `#!/bin/sh\n: > ${bin}/started\nexec sleep 1000\n`)
  return { began: started(join(bin, "started")) }
})

const software = { name: "libx264", codec: "h264", backend: "software", device: null } as const

describe("an ffmpeg that hangs", () => {
  it.effect("while it makes the poster is given up like one that makes no frame", () =>
    Effect.gen(function* () {
      const bin = yield* folder
      const { began } = yield* hangingIn(bin)
      const plan = wholeSource(source(), { encoder: software, threads: null })
      const fiber = yield* Effect.flatMap(Transcoder, ({ poster }) =>
        Effect.flip(poster({ plan, source: join(bin, "source.mp4"), path: join(bin, "poster.jpg") }))
      ).pipe(
        Effect.provide(Layer.provide(FfmpegTranscoder.layer({ stallAfter: Duration.seconds(120) }), programsIn(bin))),
        Effect.forkChild
      )
      yield* began
      yield* TestClock.adjust("150 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.reason, "stalled")
      assert.include(error.problem, "no poster for more than 120 s")
    })
  )

  it.effect("at the start of a worker is named", () =>
    Effect.gen(function* () {
      const bin = yield* folder
      const { began } = yield* hangingIn(bin)
      const fiber = yield* Effect.forkChild(Effect.flip(Effect.provide(detect("/nowhere"), programsIn(bin))))
      yield* began
      yield* TestClock.adjust("30 seconds")
      assert.match((yield* Fiber.join(fiber)).message, /^ffmpeg -\w+ does not answer within 30 seconds$/)
    })
  )
})

describe("a machine without ffprobe", () => {
  it.live("cannot do a task, which shows at the start", () =>
    Effect.gen(function* () {
      const bin = yield* folder
      yield* program(join(bin, "ffmpeg"), "#!/bin/sh\nexit 0\n")
      const only = Layer.effect(
        Subprocess,
        Effect.map(Subprocess, (real) =>
          Subprocess.of({
            start: (file, args, options) => real.start(file, args, { ...options, env: { PATH: bin } }),
            run: (file, args, options) => real.run(file, args, { ...options, env: { PATH: bin } })
          })
        )
      ).pipe(Layer.provide(Subprocess.layer))
      const error = yield* Effect.flip(Effect.provide(detect("/nowhere"), only))
      assert.match(error.message, /^could not start ffprobe: it was not found on PATH/)
    })
  )
})
