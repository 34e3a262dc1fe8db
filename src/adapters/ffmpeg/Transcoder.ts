/** Transcoder by one ffmpeg a task. */
import { type Cause, Clock, Context, Duration, Effect, Layer, Queue, Result, Semaphore, Stream } from "effect"
import { createHash } from "node:crypto"
import { access, mkdir, readFile, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { Fingerprint } from "../../domain/ids.ts"
import type { ArrivingSource } from "../../domain/media/ArrivingSource.ts"
import * as FrameRate from "../../domain/media/FrameRate.ts"
import type { RenditionName } from "../../domain/media/Rendition.ts"
import { initName } from "../../domain/media/Segment.ts"
import type { TranscodePlan } from "../../domain/media/TranscodePlan.ts"
import { renditionNames } from "../../domain/media/TranscodePlan.ts"
import type { FileReady, TranscodeEvent } from "../../domain/ports/Transcoder.ts"
import { TranscodeFailed, Transcoder } from "../../domain/ports/Transcoder.ts"
import type { ProcessFailed, SpawnFailed } from "../process/Subprocess.ts"
import { Subprocess } from "../process/Subprocess.ts"
import { environmentFor, listName, posterArguments, posterAt, transcodeArguments } from "./Arguments.ts"
import { askProbe, detect, tryOut } from "./Detection.ts"
import { makeComplaints, objectionTo } from "./Ending.ts"
import { cause, failureReason } from "./FailureReason.ts"
import { makeFeed } from "./Feed.ts"
import { passes } from "./Passes.ts"
import { makeProgressReader } from "./ProgressLines.ts"
import { Sandbox } from "./Sandbox.ts"

const lookEvery = Duration.millis(200)

const spawnFailed = (error: SpawnFailed) =>
  new TranscodeFailed({ reason: "crashed", problem: error.message, details: "" })

const problemOf = (reason: TranscodeFailed["reason"], stderr: string): string =>
  reason === "source"
    ? `The file cannot be decoded: it is damaged, encrypted, or of a kind that this ffmpeg does not know (${cause(stderr)})`
    : `ffmpeg failed: ${cause(stderr)}`

const toTranscodeFailed = (error: ProcessFailed | SpawnFailed): TranscodeFailed => {
  if (error._tag === "SpawnFailed") return spawnFailed(error)
  const details = error.stderrTail
  if (error.signal !== null) {
    return new TranscodeFailed({ reason: "crashed", problem: `ffmpeg was killed by ${error.signal}`, details })
  }
  const reason = failureReason(details)
  return new TranscodeFailed({ reason, problem: problemOf(reason, details), details })
}

/**
 * Drivers crash, hang, and say things that nobody has written down. On a device, what is neither the source's fault nor
 * the disk's is taken for the device's: the next encoder will tell.
 */
const blameDevice = (error: TranscodeFailed, plan: TranscodePlan): TranscodeFailed =>
  plan.encoder.backend !== "software" && (error.reason === "crashed" || error.reason === "stalled")
    ? new TranscodeFailed({ reason: "device", problem: error.problem, details: error.details })
    : error

/** Files of a rendition that ffmpeg's list names. A listed file never changes again. */
const makeFolderWatch = (folder: string, rendition: RenditionName) => {
  let seen = 0
  const read = async (): Promise<ReadonlyArray<string>> => {
    const list = await readFile(join(folder, listName), "utf8").catch(() => "")
    const listed = list.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
    // The init segment is complete when the first media segment is.
    return listed.length > 0 ? [initName, ...listed] : []
  }
  /** Those that it was not told of before. */
  const take = (names: ReadonlyArray<string>): ReadonlyArray<FileReady> => {
    const fresh = names.slice(seen)
    seen = names.length
    return fresh.map((name) => ({ _tag: "FileReady", rendition, name, path: join(folder, name) }))
  }
  return { read, take }
}

export interface TranscoderOptions {
  /** No frame for so long ends the attempt. */
  readonly stallAfter: Duration.Duration
  /** Sessions that NVIDIA's driver, or whoever shares the GPUs, grants this worker; null where there is no limit. */
  readonly nvencSessions?: number | null
  /** The folder that holds `dev` and `sys`. */
  readonly root?: string
}

interface TranscodeJob {
  readonly plan: TranscodePlan
  readonly source: string | ArrivingSource
  readonly folder: string
  readonly madeSegments?: number
  readonly held?: Effect.Effect<boolean>
}

type Events = Queue.Enqueue<TranscodeEvent, TranscodeFailed | Cause.Done>

const make = (options: TranscoderOptions) =>
  Effect.gen(function* () {
    const subprocess = yield* Subprocess
    const sandbox = yield* Sandbox
    const surroundings = Context.make(Subprocess, subprocess).pipe(Context.add(Sandbox, sandbox))
    const sessions = yield* Semaphore.make(options.nvencSessions ?? 1)

    /** One ffmpeg. `told` counts the files that it made known; `progress` makes of its frames those of the whole plan. */
    const runPass = Effect.fnUntraced(function* (
      job: TranscodeJob,
      queue: Events,
      told: { files: number },
      progress: (frames: number) => number
    ) {
      const folderOf = (rendition: string) => join(job.folder, rendition)
      const names = renditionNames(job.plan)
      yield* Effect.promise(() => Promise.all(names.map((name) => mkdir(folderOf(name), { recursive: true }))))
      const watches = names.map((name) => makeFolderWatch(folderOf(name), name))
      const feed = typeof job.source === "string" ? null : makeFeed(job.source)
      const look = Effect.promise(() => Promise.all(watches.map((watch) => watch.read()))).pipe(
        // One step: the end of ffmpeg interrupts a look at any other point, and what was noted must have been told.
        Effect.map((lists) => {
          const files = lists.flatMap((names, index) => watches[index]!.take(names))
          if (files.length === 0) return
          told.files += files.length
          // Later than the files, so that they cannot be of more.
          const made = feed === null ? {} : { prefix: feed.given() }
          Queue.offerAllUnsafe(
            queue,
            files.map((file) => ({ ...file, ...made }))
          )
        })
      )

      const file = typeof job.source === "string" ? job.source : null
      const child = yield* subprocess.start(
        "ffmpeg",
        transcodeArguments(job.plan, { source: file, folderOf }, job.madeSegments),
        {
          ...sandbox.around({
            purpose: "encode",
            reads: file === null ? [] : [file],
            writes: [job.folder],
            devices: job.plan.encoder.backend !== "software",
            env: environmentFor(job.plan.encoder)
          }),
          stdin: file === null ? "pipe" : "ignore",
          stderr: "lines"
        }
      )
      const complaints = makeComplaints()
      const listen = Stream.runForEach(child.errorLines, (line) => Effect.sync(() => complaints.note(line)))
      const read = makeProgressReader()
      const before = (job.madeSegments ?? 0) * job.plan.grid.framesPerSegment
      // ffmpeg counts those of the first output.
      const step = job.plan.video[0]?.frameStep ?? 1
      let frames = 0
      let seconds: number | null = null
      // No frame comes out while those before the first one are decoded, which takes no longer than to play them.
      const skip = Math.round(FrameRate.seconds(job.plan.grid.frameRate, before) * 1e9)
      let advancedAt = (yield* Clock.monotonicTimeNanos) + BigInt(skip)
      const follow = Stream.runForEach(
        child.lines,
        Effect.fnUntraced(function* (line) {
          const block = read(line)
          if (block === null) return
          const made = block.frames * step
          if (made > frames) advancedAt = yield* Clock.monotonicTimeNanos
          frames = made
          seconds = block.seconds
          const { speed } = block
          yield* Queue.offer(queue, { _tag: "Advanced", speed, frames: progress(before + frames) })
        })
      )
      let resting = false
      const rest = Effect.fnUntraced(function* (held: boolean) {
        if (held || resting) advancedAt = yield* Clock.monotonicTimeNanos
        if (held !== resting) yield* child.kill(held ? "SIGSTOP" : "SIGCONT")
        resting = held
      })
      // What is stopped does not hear that it is to end.
      yield* Effect.addFinalizer(() => rest(false))
      const watch = Effect.gen(function* () {
        yield* Effect.sleep(lookEvery)
        yield* look
        yield* rest(yield* job.held ?? Effect.succeed(false))
        const now = yield* Clock.monotonicTimeNanos
        if (feed?.waits() === true) advancedAt = now
        const still = Number(now - advancedAt) / 1e6
        if (still > Duration.toMillis(options.stallAfter)) {
          return yield* new TranscodeFailed({
            reason: "stalled",
            problem: `ffmpeg made no frame for ${Math.round(still / 1000)} s`,
            details: yield* child.stderrTail
          })
        }
      }).pipe(Effect.forever)

      const readAll = Effect.all([follow, listen], { concurrency: 2, discard: true })
      const toTheEnd = Effect.all([Effect.andThen(readAll, child.exit), feed?.into(child) ?? Effect.void], {
        concurrency: 2,
        discard: true
      })
      yield* Effect.raceFirst(toTheEnd, watch)
      yield* look
      const damage = complaints.damage()
      const setBack = complaints.wasSetBack()
      const stderr = yield* child.stderrTail
      const objection = objectionTo(job.plan, { frames: before + frames, before, seconds, damage, setBack, stderr })
      if (objection !== null) return yield* objection
      if (damage !== null) yield* Queue.offer(queue, { _tag: "Damaged", ...damage })
    }, Effect.scoped)

    /**
     * As many ffmpegs as it takes, one after the other: each rung has a session of its own, and how many a driver grants
     * shows when it refuses one. What failed before any file of it was told is made again in two halves.
     */
    const run = Effect.fnUntraced(
      function* (job: TranscodeJob, queue: Events) {
        const limited = job.plan.encoder.backend === "nvenc" ? (options.nvencSessions ?? null) : null
        const left = [...passes(job.plan, limited)]
        let made = 0
        for (let plan = left.shift(); plan !== undefined; plan = left.shift()) {
          const rungs = plan.video.length
          const told = { files: 0 }
          const pass = runPass({ ...job, plan }, queue, told, (frames) =>
            Math.floor((made * job.plan.frames + rungs * frames) / job.plan.video.length)
          )
          const ended = yield* Effect.result(limited === null ? pass : sessions.withPermits(rungs)(pass))
          if (Result.isSuccess(ended)) {
            made += rungs
            continue
          }
          const error = ended.failure._tag === "TranscodeFailed" ? ended.failure : toTranscodeFailed(ended.failure)
          if (error.reason !== "sessions" || rungs === 1 || told.files > 0) return yield* error
          yield* Effect.logWarning("fewer encoder sessions than renditions", { rungs, problem: error.problem })
          yield* Effect.promise(() =>
            Promise.all(
              renditionNames(plan!).map((name) => rm(join(job.folder, name), { recursive: true, force: true }))
            )
          )
          left.unshift(...passes(plan, Math.ceil(rungs / 2)))
        }
      },
      (effect, { plan }) => Effect.mapError(effect, (error) => blameDevice(error, plan))
    )

    const transcode = (job: TranscodeJob) =>
      Stream.callback<TranscodeEvent, TranscodeFailed>((queue) =>
        run(job, queue).pipe(
          Effect.matchCauseEffect({
            onSuccess: () => Queue.end(queue),
            onFailure: (cause) => Queue.failCause(queue, cause)
          })
        )
      )

    const version = yield* subprocess.run("ffmpeg", ["-version"]).pipe(
      Effect.map(({ stdout }) => stdout),
      Effect.mapError(toTranscodeFailed),
      Effect.cached
    )

    const fingerprint = (plan: TranscodePlan) =>
      Effect.map(version, (build) => {
        const anywhere = { ...plan, threads: null, encoder: { ...plan.encoder, device: null } }
        const options = transcodeArguments(anywhere, { source: "source", folderOf: (rendition) => rendition })
        return Fingerprint.make(
          createHash("sha256")
            // The last word sets it apart from that of workers which would not look whether the source is the same.
            .update(JSON.stringify([build, options, "prefixes"]))
            .digest("hex")
        )
      })

    const hangs = new TranscodeFailed({
      reason: "stalled",
      problem: `ffmpeg made no poster for more than ${Math.round(Duration.toSeconds(options.stallAfter))} s`,
      details: ""
    })

    const poster = Effect.fn("Transcoder.poster")(
      function* (job: { readonly plan: TranscodePlan; readonly source: string; readonly path: string }) {
        const take = (at: number) =>
          subprocess
            .run(
              "ffmpeg",
              posterArguments(job.plan, { source: job.source, poster: job.path }, at),
              sandbox.around({ purpose: "encode", reads: [job.source], writes: [dirname(job.path)] })
            )
            .pipe(
              // What comes before the picture may have to be decoded, which takes no longer than to play it.
              Effect.timeoutOrElse({
                duration: Duration.sum(options.stallAfter, Duration.seconds(at)),
                orElse: () => Effect.fail(hangs)
              })
            )
        yield* take(posterAt(job.plan))
        // No picture begins after that where one stands for the whole time, or where only the sound goes on.
        if (!(yield* Effect.isSuccess(Effect.tryPromise(() => access(job.path))))) yield* take(0)
      },
      Effect.mapError((error) => (error._tag === "TranscodeFailed" ? error : toTranscodeFailed(error)))
    )

    return Transcoder.of({
      detect: Effect.provide(detect(options.root ?? "/"), surroundings),
      tryOut: (encoder) => Effect.asVoid(Effect.provide(Effect.andThen(askProbe, tryOut(encoder)), surroundings)),
      transcode,
      fingerprint,
      poster
    })
  })

export const layer = (options: TranscoderOptions) => Layer.effect(Transcoder, make(options))
