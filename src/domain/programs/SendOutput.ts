/** The files of an attempt on their way: out of the encoder, looked into, uploaded and off the disk. */
import { type Duration, Effect, Metric, Ref, Stream } from "effect"
import type { Resumption } from "../jobs/Resumption.ts"
import type { ArrivingSource } from "../media/ArrivingSource.ts"
import type { RegisteredFile } from "../media/Segment.ts"
import type { TranscodePlan } from "../media/TranscodePlan.ts"
import type { ClaimedTask } from "../ports/JobStore.ts"
import { SegmentInspector } from "../ports/SegmentInspector.ts"
import type { FileReady, TranscodeEvent } from "../ports/Transcoder.ts"
import { TranscodeFailed, Transcoder } from "../ports/Transcoder.ts"
import { WorkerApi } from "../ports/WorkerApi.ts"
import { Workspace } from "../ports/Workspace.ts"
import { makeUploads } from "../telemetry/Uploads.ts"
import { framesEncodedBy } from "../workers/Metrics.ts"
import { advanced, type AttemptReport } from "./AttemptReport.ts"
import { keepRoom } from "./KeepRoom.ts"
import { takingOver } from "./Resume.ts"
import { makeStop } from "./StopEarly.ts"

/** Segments on their way at once: enough to fill a link, few enough that a slow one does not pile up files in memory. */
const uploadsAtOnce = 4

/** `sent` counts what the API was given: only while it is 0 may another encoder begin. */
export const sendingOutput = Effect.fnUntraced(function* (options: {
  readonly task: ClaimedTask
  readonly report: Ref.Ref<AttemptReport>
  /** How long a worker that is told to stop waits. */
  readonly drainFor: Duration.Duration
  /** What the job's history should know of this attempt. */
  readonly notes: Ref.Ref<ReadonlyArray<string>>
}) {
  const { notes, report, task } = options
  const api = yield* WorkerApi
  const workspace = yield* Workspace
  const transcoder = yield* Transcoder
  const inspector = yield* SegmentInspector
  const sent = yield* Ref.make(0)
  /** The encoder rests, because the disk is full of what is not sent yet. */
  const held = yield* Ref.make(false)
  const uploads = yield* makeUploads
  const { bytes, sha256 } = task.source
  /** Nothing, where nothing says what the whole is. */
  const madeOf = ({ prefix = sha256 === null ? undefined : { bytes, sha256 } }: FileReady) =>
    prefix === undefined ? {} : { prefix }

  const send = Effect.fnUntraced(function* (file: FileReady) {
    const facts = yield* inspector.inspect({ name: file.name, path: file.path }).pipe(
      Effect.mapError((error) => new TranscodeFailed({ reason: "crashed", problem: error.message, details: "" })),
      // A full disk leaves empty segments, of which ffmpeg says nothing.
      Effect.tapError(() => workspace.room)
    )
    const digest = yield* workspace.digest(file)
    yield* Ref.update(sent, (count) => count + 1)
    const made = { ...digest, ...madeOf(file) }
    yield* uploads.track(digest.bytes, api.upload(task, made, file.path))
    yield* workspace.remove(file.path)
    return { ...made, facts } satisfies RegisteredFile
  })

  /** Sends what comes of an encode. `resumed` is there already. */
  const deliver = Effect.fnUntraced(function* <E, R>(
    plan: TranscodePlan,
    output: string,
    events: Stream.Stream<TranscodeEvent, E, R>,
    resumed: Resumption | null
  ) {
    const madeSegments = resumed?.segments ?? 0
    const stop = yield* makeStop(plan, { madeSegments, drainFor: options.drainFor })
    let counted = madeSegments * plan.grid.framesPerSegment
    return yield* events.pipe(
      stop.throughSegment,
      Stream.tap((event) => {
        if (event._tag === "Damaged") return tellDamage(notes, event)
        if (event._tag === "FileReady") return Effect.void
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
      Effect.raceFirst(keepRoom(held)),
      Effect.tapError(() => Effect.ignore(workspace.remove(output))),
      Effect.onExit(() => uploads.record),
      Effect.tap(() => stop.giveBack),
      Effect.map((files): ReadonlyArray<RegisteredFile> => [...(resumed?.files ?? []), ...files])
    )
  })

  /** All of the plan, or what an earlier attempt left to do of it. */
  const make = Effect.fnUntraced(function* (
    plan: TranscodePlan,
    { output, source }: { readonly source: string | ArrivingSource; readonly output: string },
    resumed: Resumption | null
  ) {
    const job = { plan, source, folder: output, held: Ref.get(held) }
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

  return { send, make, sent }
})

/** Once, in however many passes the source was decoded. */
const tellDamage = Effect.fnUntraced(function* (
  notes: Ref.Ref<ReadonlyArray<string>>,
  { complaints, first }: Extract<TranscodeEvent, { readonly _tag: "Damaged" }>
) {
  const note = `The source is damaged in places: ffmpeg complained ${complaints} times ("${first}")`
  yield* Ref.update(notes, (said) => (said.includes(note) ? said : [...said, note]))
  yield* Effect.annotateCurrentSpan("vlog.source.complaints", complaints)
  yield* Effect.logWarning("damaged source", { complaints, first })
})

const isAmong = (resumed: Resumption | null, file: { readonly name: string; readonly rendition: string }) =>
  resumed?.files.some(({ name, rendition }) => name === file.name && rendition === file.rendition) === true
