/** One attempt of a worker at one task, from the download to the published output. */
import { Effect, Ref, Result, Stream } from "effect"
import { assemble, OutputIncomplete } from "../jobs/Completion.ts"
import type { Progress, RenditionProgress, Step } from "../jobs/Progress.ts"
import { percentOf } from "../jobs/Progress.ts"
import type { VideoCodec } from "../media/Codec.ts"
import type { EncoderPolicy } from "../media/EncoderSelection.ts"
import { encoderChain } from "../media/EncoderSelection.ts"
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
import type { SourceFacts } from "../videos/Video.ts"

/** What the attempt has to tell, read by the lease's renewal. */
export interface AttemptReport {
  readonly progress: Progress
  readonly facts: SourceFacts | null
}

/** Segments on their way at once: enough to fill a link, few enough that a slow one does not pile up files in memory. */
const uploadsAtOnce = 4

export const transcodeTask = Effect.fn("transcodeTask")(function* (options: {
  readonly task: ClaimedTask
  readonly codec: VideoCodec
  readonly policy: EncoderPolicy
  readonly report: Ref.Ref<AttemptReport>
}) {
  const { report, task } = options
  const api = yield* WorkerApi
  const workspace = yield* Workspace
  const probe = yield* MediaProbe
  const transcoder = yield* Transcoder
  const inspector = yield* SegmentInspector
  const at = (step: Step, percent: number) =>
    Ref.update(report, ({ facts, progress }) => ({ facts, progress: { ...progress, step, percent } }))

  const folder = yield* workspace.open(task.leaseId, task.source.extension)
  yield* at("download", 0)
  yield* api.download(task, folder.source)

  yield* at("probe", 5)
  const source = yield* probe.probe(folder.source)
  const rejected = objection(source)
  if (rejected !== null) return yield* rejected

  const [encoder] = encoderChain(options.codec, transcoder.capabilities, options.policy)
  if (encoder === undefined) {
    return yield* new TranscodeFailed({ reason: "device", problem: "No encoder works on this machine", details: "" })
  }
  const plan = wholeSource(source, { encoder })
  const facts = factsOf(source, plan)
  yield* Ref.update(report, ({ progress }) => ({ facts, progress }))
  yield* Effect.logInfo("planned", {
    frames: plan.frames,
    frameRate: FrameRate.format(plan.grid.frameRate),
    encoder: encoder.name,
    renditions: renditionNames(plan)
  })

  const send = Effect.fnUntraced(function* (file: Extract<TranscodeEvent, { readonly _tag: "FileReady" }>) {
    const facts = yield* inspector
      .inspect({ name: file.name, path: file.path })
      .pipe(Effect.mapError((error) => new TranscodeFailed({ reason: "crashed", problem: error.message, details: "" })))
    const digest = yield* workspace.digest(file)
    yield* api.upload(task, digest, file.path)
    yield* workspace.remove(file.path)
    return { ...digest, facts } satisfies RegisteredFile
  })

  yield* at("thumbnail", 8)
  const poster = yield* makePoster(plan, folder)

  yield* at("transcode", 10)
  const files = yield* transcoder.transcode({ plan, source: folder.source, folder: folder.output }).pipe(
    Stream.tap((event) => (event._tag === "Advanced" ? Ref.update(report, advanced(plan, event)) : Effect.void)),
    Stream.filter((event) => event._tag === "FileReady"),
    Stream.prepend([poster]),
    Stream.mapEffect(send, { concurrency: uploadsAtOnce, unordered: true }),
    Stream.runCollect
  )

  yield* at("finalize", 98)
  const presentation = yield* Effect.fromResult(judge(plan, files))
  yield* api.complete(task, { facts, files, presentation })
  yield* Ref.update(report, finished(plan))
  yield* Effect.logInfo("completed", { files: files.length })
}, Effect.scoped)

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
    const frames = files.reduce(
      (sum, file) =>
        file.rendition === rendition.name && file.facts._tag === "MediaSegment" ? sum + file.facts.samples : sum,
      0
    )
    return Math.abs(frames - plan.frames) <= allowedFrames
      ? []
      : [`${rendition.name} has ${frames} frames instead of ${plan.frames}`]
  })
  const [first, ...rest] = missing
  if (first !== undefined) return Result.fail(new OutputIncomplete({ problems: [first, ...rest] }))
  const languages = Object.fromEntries(plan.audio.map((rendition) => [rendition.name, rendition.language]))
  return assemble(files, { duration: plan.duration, languages })
}
