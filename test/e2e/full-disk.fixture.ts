/**
 * One attempt of a worker on the small disk that is given, which gets full when the first segment is there, or
 * the source: prints how it went on and how it ended. Two minutes of patience pass in seconds.
 *
 *     node full-disk.fixture.ts FOLDER FILM rests|gives-up|full-at-once
 */
import { copyFile, readFile, rm, stat, statfs, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Cause, Duration, Effect, Exit, Layer, Logger, Option, Ref } from "effect"
import { TestClock } from "effect/testing"
import * as Probe from "../../src/adapters/ffmpeg/Probe.ts"
import * as FfmpegTranscoder from "../../src/adapters/ffmpeg/Transcoder.ts"
import * as Inspector from "../../src/adapters/mp4/Inspector.ts"
import { Subprocess } from "../../src/adapters/process/Subprocess.ts"
import * as DiskWorkspace from "../../src/adapters/storage/Workspace.ts"
import * as Progress from "../../src/domain/jobs/Progress.ts"
import { policies } from "../../src/domain/media/EncoderSelection.ts"
import { Transcoder } from "../../src/domain/ports/Transcoder.ts"
import { WorkerApi } from "../../src/domain/ports/WorkerApi.ts"
import { worthRetrying } from "../../src/domain/programs/AttemptEnding.ts"
import type { AttemptReport } from "../../src/domain/programs/AttemptReport.ts"
import { transcodeTask } from "../../src/domain/programs/TranscodeTask.ts"
import { Encoders } from "../../src/domain/workers/Encoders.ts"
import { WorkerState } from "../../src/domain/workers/WorkerState.ts"
import { capable, claimedTask } from "../domain/support/worker.ts"
import { processesOf } from "../support/programs.ts"

const [, , folder = "", film = "", way = ""] = process.argv

const keepFree = 1_000_000
const filler = join(folder, "filler")

/** To the last block, as the neighbour on a shared disk does. */
const fill = async () => {
  const { bavail, bsize } = await statfs(folder)
  await writeFile(filler, Buffer.alloc(bavail * bsize))
}

const encodersRest = async () => {
  const encoders = processesOf(folder).filter(({ command }) => /^\S*ffmpeg /.test(command))
  const states = await Promise.all(encoders.map(({ pid }) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")))
  return states.length > 0 && states.every((state) => / T /.test(state))
}

let uploads = 0
let rested = false

/** The first one fills the disk. None is through before there is room again, which may be never. */
const upload = Effect.suspend(() => {
  uploads += 1
  if (uploads > 1) return way === "rests" ? Effect.void : Effect.never
  return Effect.promise(async () => {
    await fill()
    while (!(await encodersRest())) await sleep(20)
    rested = true
    if (way === "rests") await rm(filler)
  }).pipe(Effect.andThen(way === "rests" ? Effect.void : Effect.never))
})

const api = Layer.succeed(
  WorkerApi,
  WorkerApi.of({
    heartbeat: () => Effect.succeed({ welcome: true, cancelled: [] }),
    claim: Effect.succeedNone,
    renew: () => Effect.void,
    download: (_, path) =>
      Effect.promise(async () => {
        await copyFile(film, path)
        if (way === "full-at-once") await fill()
      }),
    begin: () => Effect.succeedNone,
    adopt: () => Effect.void,
    upload: () => upload,
    complete: () => Effect.void,
    fail: () => Effect.void,
    release: () => Effect.void
  })
)

const software = { name: "libx264", codec: "h264", backend: "software", device: null } as const

/** To find the encoders would take longer than all else. */
const transcoder = Layer.effect(
  Transcoder,
  Effect.map(Transcoder, (real) => Transcoder.of({ ...real, detect: Effect.succeed(capable([software])) }))
).pipe(Layer.provide(FfmpegTranscoder.layer({ stallAfter: Duration.hours(1) })))

const layers = Layer.mergeAll(
  api,
  Encoders.layer.pipe(
    Layer.provideMerge(Layer.mergeAll(Probe.layer, transcoder).pipe(Layer.provide(Subprocess.layer)))
  ),
  DiskWorkspace.layer({ root: join(folder, "work"), keepFree }),
  Inspector.layer,
  WorkerState.layer
)

const attempt = Effect.gen(function* () {
  yield* (yield* Encoders).discover
  const { size } = yield* Effect.promise(() => stat(film))
  const task = claimedTask()
  yield* transcodeTask({
    task: { ...task, source: { ...task.source, bytes: size } },
    codec: "h264",
    policy: policies.none,
    threads: 1,
    drainFor: Duration.zero,
    report: yield* Ref.make<AttemptReport>({ progress: Progress.none, facts: null }),
    notes: yield* Ref.make<ReadonlyArray<string>>([])
  })
}).pipe(Effect.provide(layers))

/** Forty times as fast as it passes. */
const hurry = Effect.forever(
  Effect.andThen(
    Effect.promise(() => sleep(50)),
    TestClock.adjust("2 seconds")
  )
)

const exit = await Effect.runPromiseExit(
  Effect.raceFirst(attempt, hurry).pipe(Effect.provide([TestClock.layer(), Logger.layer([])]))
)
const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined
console.log(
  JSON.stringify({
    rested,
    uploads,
    done: Exit.isSuccess(exit),
    error: error?.message ?? (Exit.isFailure(exit) ? Cause.pretty(exit.cause) : null),
    full: error?._tag === "WorkspaceError" && error.reason === "full",
    retry: error !== undefined && worthRetrying(error)
  })
)
process.exit()
