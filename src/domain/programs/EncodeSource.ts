/** How the pictures and sounds of a source are made and sent, all of it being here or not. */
import { Clock, type Duration, Effect, Equal, Metric, Ref } from "effect"
import { framesMade } from "../jobs/Acceptance.ts"
import type { Resumption } from "../jobs/Resumption.ts"
import type { Encoder } from "../media/Encoder.ts"
import { describe } from "../media/Encoder.ts"
import * as FrameRate from "../media/FrameRate.ts"
import type { RegisteredFile } from "../media/Segment.ts"
import { posterName, posterRendition } from "../media/Segment.ts"
import { displaySize, type Source } from "../media/Source.ts"
import type { TranscodePlan } from "../media/TranscodePlan.ts"
import { renditionNames, wholeSource } from "../media/TranscodePlan.ts"
import type { ClaimedTask } from "../ports/JobStore.ts"
import { TranscodeFailed, Transcoder } from "../ports/Transcoder.ts"
import { type TaskFolder, Workspace } from "../ports/Workspace.ts"
import { recordSpan } from "../telemetry/PastSpan.ts"
import type { SourceFacts } from "../videos/Video.ts"
import { encodeSpeedBy, inStep } from "../workers/Metrics.ts"
import { type AttemptReport, enter } from "./AttemptReport.ts"
import type { Begun, Received } from "./ReceiveSource.ts"
import { findLeavings, findResumption } from "./Resume.ts"
import { sendingOutput } from "./SendOutput.ts"

/** `sent` counts what the API was given by the encoder of now. */
export const encodingSource = Effect.fnUntraced(function* (options: {
  readonly task: ClaimedTask
  readonly folder: TaskFolder
  readonly received: Received
  /** For each encoder; null leaves it to ffmpeg. */
  readonly threads: number | null
  /** How long a worker that is told to stop waits. */
  readonly drainFor: Duration.Duration
  readonly report: Ref.Ref<AttemptReport>
  /** What the job's history should know of this attempt. */
  readonly notes: Ref.Ref<ReadonlyArray<string>>
}) {
  const { drainFor, folder, notes, report, task } = options
  const { begun, whole } = options.received
  const workspace = yield* Workspace
  const { make, send, sent } = yield* sendingOutput({ task, report, notes, drainFor })

  const planFor = (source: Source, encoder: Encoder) =>
    Effect.withSpan(planned(source, { encoder, threads: options.threads, packaging: task.packaging }), "plan")

  const tell = Effect.fnUntraced(function* (source: Source, plan: TranscodePlan, resumed: Resumption | null) {
    yield* Ref.update(report, ({ progress }) => ({ facts: factsOf(source, plan), progress }))
    yield* Effect.logInfo("planned", {
      frames: plan.frames,
      frameRate: FrameRate.format(plan.grid.frameRate),
      encoder: describe(plan.encoder),
      renditions: renditionNames(plan),
      resumedSegments: resumed?.segments ?? 0
    })
  })

  const encodeWhole = Effect.fnUntraced(function* (encoder: Encoder, output: string) {
    const source = yield* whole
    const plan = yield* planFor(source, encoder)
    const resumed = yield* findResumption(task, plan, folder.source)
    yield* tell(source, plan, resumed)
    yield* Ref.update(report, enter("thumbnail", 8))
    const poster = yield* makePoster(plan, folder)
    yield* Ref.update(report, enter("transcode", 10))
    const files = yield* make(plan, { source: folder.source, output }, resumed)
    return { source, plan, files, poster }
  })

  /** What comes of it is of use only when all of the source is here and is what its beginning said. */
  const encodeArriving = Effect.fnUntraced(function* (
    { arriving, foreseen }: Begun,
    plan: TranscodePlan,
    output: string
  ) {
    yield* tell(foreseen, plan, null)
    yield* Ref.update(report, enter("transcode", 10))
    const vouch = Effect.gen(function* () {
      const found = yield* planFor(yield* whole, plan.encoder)
      if (!Equal.equals(found, plan)) return yield* otherThanForeseen
      return yield* makePoster(plan, folder)
    })
    const encode = make(plan, { source: arriving, output }, null)
    const [files, poster] = yield* Effect.all([encode, vouch], { concurrency: 2 })
    return { source: foreseen, plan, files, poster }
  })

  /** Nothing is blamed on a source before all of it was tried: now or, where something was sent, by the next attempt. */
  const orWhole = Effect.fnUntraced(function* (error: TranscodeFailed, encoder: Encoder, output: string) {
    const problem = `Encoding while the source arrived failed: ${error.problem}`
    yield* Effect.logWarning("encoding waits for the whole source", { problem: error.problem })
    yield* Ref.update(notes, (said) => [...said, problem])
    yield* workspace.remove(output)
    if ((yield* Ref.get(sent)) === 0) return yield* encodeWhole(encoder, `${output}-whole`)
    if (error.reason !== "source") return yield* error
    yield* whole
    return yield* new TranscodeFailed({ reason: "crashed", problem, details: error.details })
  })

  /** Nobody began it before: what is resumed begins in the middle, which is not here yet. */
  const encodeAtOnce = Effect.fnUntraced(function* (begun: Begun, encoder: Encoder, output: string) {
    const plan = yield* planFor(begun.foreseen, encoder)
    if ((yield* findLeavings(task, plan)) !== null) return yield* encodeWhole(encoder, output)
    return yield* encodeArriving(begun, plan, output).pipe(
      Effect.catchTag("TranscodeFailed", (error) => orWhole(error, encoder, output))
    )
  })

  const encode = Effect.fnUntraced(function* (encoder: Encoder, turn: number) {
    const startedAt = yield* Clock.currentTimeMillis
    const output = `${folder.output}/${turn}`
    yield* Ref.set(sent, 0)
    yield* Effect.annotateCurrentSpan(encoderAttributes(encoder))
    const { files, plan, poster, source } =
      begun === null || turn > 0 ? yield* encodeWhole(encoder, output) : yield* encodeAtOnce(begun, encoder, output)
    yield* recordRenditions(plan, files, startedAt)
    return { plan, facts: factsOf(source, plan), files: [...files, yield* send(poster)] }
  }, inStep("encode"))

  return { encode, sent: Ref.get(sent) }
})

const otherThanForeseen = new TranscodeFailed({
  reason: "source",
  problem: "The source is not what its beginning says",
  details: ""
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
        "vlog.rendition.frames": framesMade(files, name),
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
