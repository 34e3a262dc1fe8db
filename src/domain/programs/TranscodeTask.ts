/** One attempt of a worker at one task, from the download to the published output. */
import { Clock, type Duration, Effect, Metric, Ref } from "effect"
import { accept, framesOf } from "../jobs/Acceptance.ts"
import type { Step } from "../jobs/Progress.ts"
import type { VideoCodec } from "../media/Codec.ts"
import type { Encoder } from "../media/Encoder.ts"
import { describe } from "../media/Encoder.ts"
import type { EncoderPolicy } from "../media/EncoderSelection.ts"
import * as FrameRate from "../media/FrameRate.ts"
import type { RegisteredFile } from "../media/Segment.ts"
import { posterName, posterRendition } from "../media/Segment.ts"
import type { Source } from "../media/Source.ts"
import { displaySize, objection } from "../media/Source.ts"
import type { TranscodePlan } from "../media/TranscodePlan.ts"
import { renditionNames, wholeSource } from "../media/TranscodePlan.ts"
import type { ClaimedTask } from "../ports/JobStore.ts"
import { MediaProbe } from "../ports/MediaProbe.ts"
import { Transcoder } from "../ports/Transcoder.ts"
import { WorkerApi } from "../ports/WorkerApi.ts"
import { type TaskFolder, Workspace } from "../ports/Workspace.ts"
import { recordSpan } from "../telemetry/PastSpan.ts"
import type { SourceFacts } from "../videos/Video.ts"
import { Encoders } from "../workers/Encoders.ts"
import { bytesDownloaded, encodeSpeedBy, inStep } from "../workers/Metrics.ts"
import { type AttemptReport, finished } from "./AttemptReport.ts"
import { firstThatWorks } from "./FirstThatWorks.ts"
import { findResumption } from "./Resume.ts"
import { sendingOutput } from "./SendOutput.ts"
import { unlessToldToStop } from "./StopEarly.ts"

export const transcodeTask = Effect.fnUntraced(function* (options: {
  readonly task: ClaimedTask
  readonly codec: VideoCodec
  readonly policy: EncoderPolicy
  /** For the encoders of this task; null leaves it to ffmpeg. */
  readonly threads: number | null
  /** How long a worker that is told to stop waits for what it has in hand. */
  readonly drainFor: Duration.Duration
  readonly report: Ref.Ref<AttemptReport>
  /** What the job's history should know of this attempt. */
  readonly notes: Ref.Ref<ReadonlyArray<string>>
}) {
  const { report, task } = options
  const api = yield* WorkerApi
  const workspace = yield* Workspace
  const probe = yield* MediaProbe
  const at = (step: Step, percent: number) =>
    Ref.update(report, ({ facts, progress }) => ({ facts, progress: { ...progress, step, percent } }))

  const folder = yield* workspace.open(task.leaseId, task.source.extension, task.source.bytes)
  yield* at("download", 0)
  yield* unlessToldToStop(api.download(task, folder.source)).pipe(
    inStep("download", { "vlog.source.bytes": task.source.bytes })
  )
  yield* Metric.update(bytesDownloaded, task.source.bytes)

  yield* at("probe", 5)
  const source = yield* inStep("probe")(unlessToldToStop(probe.probe(folder.source)))
  const rejected = objection(source)
  if (rejected !== null) return yield* rejected

  const { make, send, sent } = yield* sendingOutput({
    task,
    source: folder.source,
    report,
    notes: options.notes,
    drainFor: options.drainFor
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
  const usable = yield* encoders.chain({ codec: wanted.name, depth: source.video.bitDepth }, options.policy)
  const chain = wanted.required ? usable.filter(({ codec }) => codec === wanted.name) : usable
  const { facts, files, plan } = yield* firstThatWorks(chain, wanted, Ref.get(sent), encode, options.notes)

  yield* at("finalize", 98)
  const presentation = yield* Effect.suspend(() => Effect.fromResult(accept(plan, files))).pipe(
    inStep("verify", { "vlog.files": files.length }),
    // ffmpeg ends well on a full disk, where even its list of segments has nothing in it.
    Effect.tapError(() => workspace.room),
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

const makePoster = Effect.fnUntraced(function* (plan: TranscodePlan, folder: TaskFolder) {
  const transcoder = yield* Transcoder
  yield* transcoder.poster({ plan, source: folder.source, path: folder.poster })
  return { _tag: "FileReady", rendition: posterRendition, name: posterName, path: folder.poster } as const
})

const factsOf = (source: Source, plan: TranscodePlan): SourceFacts => ({
  ...displaySize(source.video),
  duration: plan.duration
})
