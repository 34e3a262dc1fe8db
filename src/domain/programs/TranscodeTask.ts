/** One attempt of a worker at one task, from the download to the published output. */
import { Clock, Effect, Metric, Ref, Result, Stream } from "effect"
import { assemble, OutputIncomplete } from "../jobs/Completion.ts"
import type { Progress, RenditionProgress, Step } from "../jobs/Progress.ts"
import { percentOf } from "../jobs/Progress.ts"
import type { Resumption } from "../jobs/Resumption.ts"
import type { WantedCodec } from "../jobs/Wishes.ts"
import type { VideoCodec } from "../media/Codec.ts"
import type { Encoder } from "../media/Encoder.ts"
import { describe } from "../media/Encoder.ts"
import type { EncoderPolicy } from "../media/EncoderSelection.ts"
import * as FrameRate from "../media/FrameRate.ts"
import type { Presentation } from "../media/Presentation.ts"
import type { RegisteredFile } from "../media/Segment.ts"
import { posterName, posterRendition } from "../media/Segment.ts"
import type { Source } from "../media/Source.ts"
import { displaySize, objection } from "../media/Source.ts"
import type { TranscodePlan } from "../media/TranscodePlan.ts"
import { renditionNames, wholeSource } from "../media/TranscodePlan.ts"
import type { ClaimedTask } from "../ports/JobStore.ts"
import { MediaProbe } from "../ports/MediaProbe.ts"
import { SegmentInspector } from "../ports/SegmentInspector.ts"
import type { TranscodeEvent } from "../ports/Transcoder.ts"
import { TranscodeFailed, Transcoder } from "../ports/Transcoder.ts"
import { WorkerApi } from "../ports/WorkerApi.ts"
import { type TaskFolder, Workspace } from "../ports/Workspace.ts"
import { recordSpan } from "../telemetry/PastSpan.ts"
import { findResumption, takingOver } from "./Resume.ts"
import { makeUploads } from "../telemetry/Uploads.ts"
import type { SourceFacts } from "../videos/Video.ts"
import { Encoders } from "../workers/Encoders.ts"
import { bytesDownloaded, encodeSpeedBy, framesEncodedBy, inStep } from "../workers/Metrics.ts"

/** What the attempt has to tell, read by the lease's renewal. */
export interface AttemptReport {
  readonly progress: Progress
  readonly facts: SourceFacts | null
}

/** Segments on their way at once: enough to fill a link, few enough that a slow one does not pile up files in memory. */
const uploadsAtOnce = 4

export const transcodeTask = Effect.fnUntraced(function* (options: {
  readonly task: ClaimedTask
  readonly codec: VideoCodec
  readonly policy: EncoderPolicy
  /** For the encoders of this task; null leaves it to ffmpeg. */
  readonly threads: number | null
  readonly report: Ref.Ref<AttemptReport>
  /** What the job's history should know of this attempt. */
  readonly notes: Ref.Ref<ReadonlyArray<string>>
}) {
  const { report, task } = options
  const api = yield* WorkerApi
  const workspace = yield* Workspace
  const probe = yield* MediaProbe
  const transcoder = yield* Transcoder
  const inspector = yield* SegmentInspector
  const at = (step: Step, percent: number) =>
    Ref.update(report, ({ facts, progress }) => ({ facts, progress: { ...progress, step, percent } }))

  const folder = yield* workspace.open(task.leaseId, task.source.extension, task.source.bytes)
  yield* at("download", 0)
  yield* inStep("download", { "vlog.source.bytes": task.source.bytes })(api.download(task, folder.source))
  yield* Metric.update(bytesDownloaded, task.source.bytes)

  yield* at("probe", 5)
  const source = yield* inStep("probe")(probe.probe(folder.source))
  const rejected = objection(source)
  if (rejected !== null) return yield* rejected

  const sent = yield* Ref.make(0)
  const uploads = yield* makeUploads
  const send = Effect.fnUntraced(function* (file: Extract<TranscodeEvent, { readonly _tag: "FileReady" }>) {
    const facts = yield* inspector
      .inspect({ name: file.name, path: file.path })
      .pipe(Effect.mapError((error) => new TranscodeFailed({ reason: "crashed", problem: error.message, details: "" })))
    const digest = yield* workspace.digest(file)
    yield* Ref.update(sent, (count) => count + 1)
    yield* uploads.track(digest.bytes, api.upload(task, digest, file.path))
    yield* workspace.remove(file.path)
    return { ...digest, facts } satisfies RegisteredFile
  })

  /** Sends what comes of an encode. `resumed` is there already. */
  const deliver = <E, R>(
    plan: TranscodePlan,
    output: string,
    events: Stream.Stream<TranscodeEvent, E, R>,
    resumed: Resumption | null
  ) => {
    let counted = (resumed?.segments ?? 0) * plan.grid.framesPerSegment
    return events.pipe(
      Stream.tap((event) => {
        if (event._tag !== "Advanced") return Effect.void
        const more = Math.max(0, event.frames - counted)
        counted += more
        return Effect.andThen(
          Metric.update(framesEncodedBy(plan.encoder), more),
          Ref.update(report, advanced(plan, event))
        )
      }),
      Stream.filter((event) => event._tag === "FileReady"),
      // The init segments of what is resumed are registered already.
      Stream.filter(({ name, rendition }) => !isAmong(resumed, { name, rendition })),
      Stream.mapEffect(send, { concurrency: uploadsAtOnce, unordered: true }),
      Stream.runCollect,
      Effect.raceFirst(workspace.guard),
      Effect.tapError(() => Effect.ignore(workspace.remove(output))),
      Effect.onExit(() => uploads.record),
      Effect.map((files): ReadonlyArray<RegisteredFile> => [...(resumed?.files ?? []), ...files])
    )
  }

  /** All of the plan, or what an earlier attempt left to do of it. */
  const make = Effect.fnUntraced(function* (plan: TranscodePlan, output: string, resumed: Resumption | null) {
    const job = { plan, source: folder.source, folder: output }
    const afresh = deliver(plan, output, transcoder.transcode(job), null)
    if (resumed === null) return yield* afresh
    const adopted = Ref.update(sent, (count) => count + 1)
    const rest = transcoder.transcode({ ...job, madeSegments: resumed.segments })
    return yield* deliver(plan, output, takingOver(task, resumed, adopted)(rest), resumed).pipe(
      Effect.catchTag("OtherEncoder", ({ rendition }) =>
        Effect.andThen(Effect.logWarning("earlier segments do not fit, all are made anew", { rendition }), afresh)
      )
    )
  })

  const encode = Effect.fnUntraced(function* (encoder: Encoder, turn: number) {
    const plan = yield* Effect.withSpan(
      planned(source, { encoder, threads: options.threads, packaging: task.packaging }),
      "plan"
    )
    const startedAt = yield* Clock.currentTimeMillis
    const facts = factsOf(source, plan)
    yield* Ref.set(sent, 0)
    yield* Effect.annotateCurrentSpan(encoderAttributes(encoder))
    yield* Ref.update(report, ({ progress }) => ({ facts, progress }))
    const resumed = yield* findResumption(task, plan)
    yield* Effect.logInfo("planned", {
      frames: plan.frames,
      frameRate: FrameRate.format(plan.grid.frameRate),
      encoder: describe(encoder),
      renditions: renditionNames(plan),
      resumedSegments: resumed?.segments ?? 0
    })

    yield* at("thumbnail", 8)
    const poster = yield* makePoster(plan, folder)

    yield* at("transcode", 10)
    const files = yield* make(plan, `${folder.output}/${turn}`, resumed)
    yield* recordRenditions(plan, files, startedAt)
    return { plan, facts, files: [...files, yield* send(poster)] }
  }, inStep("encode"))

  const encoders = yield* Encoders
  const wanted = task.codec ?? { name: options.codec, required: false }
  const usable = yield* encoders.chain(wanted.name, options.policy)
  const chain = wanted.required ? usable.filter(({ codec }) => codec === wanted.name) : usable
  const { facts, files, plan } = yield* firstThatWorks(chain, wanted, Ref.get(sent), encode, options.notes)

  yield* at("finalize", 98)
  const presentation = yield* Effect.suspend(() => Effect.fromResult(judge(plan, files))).pipe(
    inStep("verify", { "vlog.files": files.length }),
    // Whatever a driver says, one whose output is wrong is not asked again.
    Effect.tapError((error) =>
      plan.encoder.backend === "software" ? Effect.void : encoders.refuse(plan.encoder, error.message)
    )
  )
  const notes = yield* Ref.get(options.notes)
  yield* inStep("publish")(api.complete(task, { facts, files, presentation, notes }))
  yield* Ref.update(report, finished(plan))
  yield* Effect.logInfo("completed", { files: files.length, encoder: describe(plan.encoder) })
}, Effect.scoped)

const isAmong = (resumed: Resumption | null, file: { readonly name: string; readonly rendition: string }) =>
  resumed?.files.some(({ name, rendition }) => name === file.name && rendition === file.rendition) === true

const failedDevice = (error: { readonly _tag: string }): error is TranscodeFailed =>
  error._tag === "TranscodeFailed" && ["device", "sessions"].includes((error as TranscodeFailed).reason)

/**
 * Goes down the chain while devices fail. All segments of an attempt come from one encoder, and what was registered
 * stays as it is: once something was sent, another encoder needs another attempt.
 */
const firstThatWorks = Effect.fnUntraced(function* <A, E extends { readonly _tag: string }, R>(
  chain: ReadonlyArray<Encoder>,
  wanted: WantedCodec,
  sent: Effect.Effect<number>,
  encode: (encoder: Encoder, turn: number) => Effect.Effect<A, E, R>,
  notes: Ref.Ref<ReadonlyArray<string>>
) {
  const encoders = yield* Encoders
  const note = (text: string) => Ref.update(notes, (said) => [...said, text])
  let problem = wanted.required
    ? `No encoder for ${wanted.name}, which the job requires, works on this machine`
    : "No encoder works on this machine"
  let details = ""
  for (const [turn, encoder] of chain.entries()) {
    const tried = yield* Effect.result(encoders.using(encoder, encode(encoder, turn)))
    if (Result.isSuccess(tried)) {
      if (turn > 0) yield* note(`Encoded with ${describe(encoder)} instead`)
      return tried.success
    }
    const error = tried.failure
    if (encoder.backend === "software" || !failedDevice(error)) return yield* Effect.fail(error)
    // One whose sessions are taken has nothing wrong with it, and is asked again by the next task.
    yield* error.reason === "sessions" ? encoders.busy(encoder) : encoders.refuse(encoder, error.problem)
    problem = `${describe(encoder)} failed: ${error.problem}`
    yield* note(problem)
    details = error.details
    if ((yield* sent) > 0) {
      problem = `${problem}. The next attempt uses another encoder, because what was uploaded is this one's`
      break
    }
    yield* Effect.logWarning("encoder failed, trying the next", { encoder: describe(encoder), problem: error.problem })
  }
  return yield* new TranscodeFailed({ reason: "device", problem, details })
})

const encoderAttributes = (encoder: Encoder) => ({
  "vlog.encoder.name": encoder.name,
  "vlog.encoder.backend": encoder.backend,
  "vlog.encoder.device": encoder.device ?? "none"
})

const planned = Effect.fnUntraced(function* (source: Source, options: Parameters<typeof wholeSource>[1]) {
  const plan = wholeSource(source, options)
  yield* Effect.annotateCurrentSpan({
    "vlog.plan.frames": plan.frames,
    "vlog.plan.seconds": plan.duration,
    "vlog.plan.renditions": renditionNames(plan)
  })
  return plan
})

/** All renditions come from one ffmpeg: what one of them has for itself is its size. */
const recordRenditions = Effect.fnUntraced(function* (
  plan: TranscodePlan,
  files: ReadonlyArray<RegisteredFile>,
  startedAt: number
) {
  const endedAt = yield* Clock.currentTimeMillis
  const speed = plan.duration / Math.max(0.001, (endedAt - startedAt) / 1000)
  yield* Metric.update(encodeSpeedBy(plan.encoder), speed)
  for (const { height, name, width } of plan.video) {
    const bytes = files.reduce((sum, file) => sum + (file.rendition === name ? file.bytes : 0), 0)
    yield* recordSpan(`rendition ${name}`, {
      startedAt,
      endedAt,
      attributes: {
        ...encoderAttributes(plan.encoder),
        "vlog.rendition.name": name,
        "vlog.rendition.width": width,
        "vlog.rendition.height": height,
        "vlog.rendition.frames": framesOf(files, name),
        "vlog.rendition.bitrate": Math.round((bytes * 8) / plan.duration),
        "vlog.encode.speed": speed
      }
    })
  }
})

const framesOf = (files: ReadonlyArray<RegisteredFile>, rendition: string) =>
  files.reduce(
    (sum, file) =>
      file.rendition === rendition && file.facts._tag === "MediaSegment" ? sum + file.facts.samples : sum,
    0
  )

const makePoster = Effect.fnUntraced(function* (plan: TranscodePlan, folder: TaskFolder) {
  const transcoder = yield* Transcoder
  yield* transcoder.poster({ plan, source: folder.source, path: folder.poster })
  return { _tag: "FileReady", rendition: posterRendition, name: posterName, path: folder.poster } as const
})

const factsOf = (source: Source, plan: TranscodePlan): SourceFacts => ({
  ...displaySize(source.video),
  duration: plan.duration
})

const share = { first: 10, last: 97 }

/** All renditions come from one decoder, so that they advance together. */
const advanced =
  (plan: TranscodePlan, event: Extract<TranscodeEvent, { readonly _tag: "Advanced" }>) =>
  ({ facts }: AttemptReport): AttemptReport => {
    const percent = percentOf(event.frames, plan.frames)
    const left = FrameRate.seconds(plan.grid.frameRate, Math.max(0, plan.frames - event.frames))
    const secondsLeft = event.speed === null || event.speed <= 0 ? null : left / event.speed
    return {
      facts,
      progress: {
        step: "transcode",
        percent: share.first + Math.floor((percent * (share.last - share.first)) / 100),
        renditions: renditionNames(plan).map((name): RenditionProgress => ({
          name,
          status: "in_progress",
          percent,
          speed: event.speed,
          secondsLeft
        }))
      }
    }
  }

const finished =
  (plan: TranscodePlan) =>
  ({ facts }: AttemptReport): AttemptReport => ({
    facts,
    progress: {
      step: "finalize",
      percent: 100,
      renditions: renditionNames(plan).map((name) => ({
        name,
        status: "uploaded",
        percent: 100,
        speed: null,
        secondsLeft: 0
      }))
    }
  })

/** One frame more or less is rounding where a source has a variable rate; none may be missing where it is constant. */
const allowedFrames = 1

/** The same judgement that the server will make, and one that it cannot: that no picture of the source is missing. */
const judge = (
  plan: TranscodePlan,
  files: ReadonlyArray<RegisteredFile>
): Result.Result<Presentation, OutputIncomplete> => {
  const missing = plan.video.flatMap((rendition) => {
    const frames = framesOf(files, rendition.name)
    return Math.abs(frames - plan.frames) <= allowedFrames
      ? []
      : [`${rendition.name} has ${frames} frames instead of ${plan.frames}`]
  })
  const [first, ...rest] = missing
  if (first !== undefined) return Result.fail(new OutputIncomplete({ problems: [first, ...rest] }))
  const languages = Object.fromEntries(plan.audio.map((rendition) => [rendition.name, rendition.language]))
  return assemble(files, { duration: plan.duration, languages })
}
