/** A worker whose surroundings are in memory: an API that notes what it was told, an encoder that takes as long as asked. */
import { Clock, Duration, Effect, Layer, Stream } from "effect"
import * as FrameRate from "../../../src/domain/media/FrameRate.ts"
import { Fingerprint } from "../../../src/domain/ids.ts"
import type { Encoder } from "../../../src/domain/media/Encoder.ts"
import { anyBackend } from "../../../src/domain/media/EncoderSelection.ts"
import type { SegmentFacts } from "../../../src/domain/media/Segment.ts"
import { initName, segmentName } from "../../../src/domain/media/Segment.ts"
import * as SegmentGrid from "../../../src/domain/media/SegmentGrid.ts"
import type { TranscodePlan } from "../../../src/domain/media/TranscodePlan.ts"
import type { ClaimedTask } from "../../../src/domain/ports/JobStore.ts"
import { MediaProbe } from "../../../src/domain/ports/MediaProbe.ts"
import { NotASegment, SegmentInspector } from "../../../src/domain/ports/SegmentInspector.ts"
import type { TranscodeEvent } from "../../../src/domain/ports/Transcoder.ts"
import { Transcoder } from "../../../src/domain/ports/Transcoder.ts"
import { WorkerApi } from "../../../src/domain/ports/WorkerApi.ts"
import { Workspace } from "../../../src/domain/ports/Workspace.ts"
import { Slug } from "../../../src/domain/videos/Slug.ts"
import type { Capabilities } from "../../../src/domain/workers/Capabilities.ts"
import { Encoders } from "../../../src/domain/workers/Encoders.ts"
import { WorkerState } from "../../../src/domain/workers/WorkerState.ts"
import { jobId, leaseId, sha256, taskId, videoId } from "./ids.ts"
import { source } from "./sources.ts"

/** What each source of these workers begins with. */
export const digestOfFirst = (bytes: number) => sha256(bytes)

export const claimedTask = (n = 1): ClaimedTask => ({
  taskId: taskId(n),
  kind: "whole",
  firstFrame: null,
  frameCount: null,
  jobId: jobId(n),
  videoId: videoId(n),
  slug: Slug.make("cat"),
  source: { fileName: "cat.mp4", extension: ".mp4", bytes: 1_000_000, sha256: sha256(1) },
  leaseId: leaseId(n),
  attempt: 1,
  codec: null,
  expiresAt: new Date(0),
  trace: null
})

/** A worker that claims until it is told to stop, and then takes a minute to end what it has in hand. */
export const workSettings = {
  codec: "h264",
  policy: anyBackend,
  pollEvery: Duration.seconds(10),
  heartbeatEvery: Duration.seconds(30),
  reportEvery: Duration.seconds(5),
  drainFor: Duration.minutes(1),
  once: false,
  hurry: Effect.never,
  concurrency: null,
  allowance: { processors: 2, cpus: 2, memory: null }
} as const

/** What trials on a machine would have found. */
export const capable = (encoders: ReadonlyArray<Encoder>): Capabilities => ({
  ffmpegVersion: "7.1",
  devices: [],
  decoders: ["h264"],
  encoders,
  refused: []
})

const software: Encoder = { name: "libx264", codec: "h264", backend: "software", device: null }

type Ready = Extract<TranscodeEvent, { readonly _tag: "FileReady" }>

interface Made {
  readonly event: Ready
  readonly facts: SegmentFacts
}

/** What an encoder that does its work well leaves behind. */
const wellMade = (plan: TranscodePlan, folder: string): ReadonlyArray<Made> => {
  const { frameRate, framesPerSegment } = plan.grid
  const made = (rendition: Ready["rendition"], name: string, facts: SegmentFacts): Made => ({
    event: { _tag: "FileReady", rendition, name, path: `${folder}/${rendition}/${name}` },
    facts
  })
  const starts = Array.from(
    { length: SegmentGrid.segmentCount(plan.grid, plan.frames) },
    (_, n) => n * framesPerSegment
  )
  const samplesAt = (start: number) => Math.min(framesPerSegment, plan.frames - start)
  const video = plan.video.flatMap(({ height, name, width }) => [
    made(name, initName, { _tag: "VideoInit", codecs: "avc1.64001f", timescale: frameRate.numerator, width, height }),
    ...starts.map((start, position) =>
      made(name, segmentName(position), {
        _tag: "MediaSegment",
        decodeTime: start * frameRate.denominator,
        duration: samplesAt(start) * frameRate.denominator,
        samples: samplesAt(start),
        startsWithKeyframe: true
      })
    )
  ])
  const ticks = (frames: number) => Math.round(FrameRate.seconds(frameRate, frames) * 48_000)
  const audio = plan.audio.flatMap(({ channels, name }) => [
    made(name, initName, { _tag: "AudioInit", codecs: "mp4a.40.2", timescale: 48_000, sampleRate: 48_000, channels }),
    ...starts.map((start, position) =>
      made(name, segmentName(position), {
        _tag: "MediaSegment",
        decodeTime: ticks(start),
        duration: ticks(start + samplesAt(start)) - ticks(start),
        samples: 100,
        startsWithKeyframe: true
      })
    )
  ])
  return [...video, ...audio]
}

type Api = WorkerApi["Service"]

export interface Call {
  readonly name:
    | "heartbeat"
    | "claim"
    | "renew"
    | "download"
    | "begin"
    | "adopt"
    | "upload"
    | "complete"
    | "fail"
    | "release"
  /** Seconds since the test began. */
  readonly at: number
  readonly argument: unknown
}

export interface FakeWorker {
  readonly layer: Layer.Layer<
    WorkerApi | Workspace | MediaProbe | Transcoder | Encoders | SegmentInspector | WorkerState
  >
  /** What the API was told, in order. */
  readonly calls: Array<Call>
  /** What became of the folder and of the encoder. */
  readonly notes: Array<"opened" | "removed" | "encoding" | "stopped">
  readonly called: (name: Call["name"]) => ReadonlyArray<Call>
}

export const makeWorker = (
  options: {
    readonly api?: Partial<Api>
    readonly probe?: MediaProbe["Service"]["probe"]
    readonly foresee?: MediaProbe["Service"]["foresee"]
    /** Seconds between one finished file and the next. */
    readonly encodeSeconds?: number
    readonly transcode?: Transcoder["Service"]["transcode"]
    readonly digest?: Workspace["Service"]["digest"]
    readonly room?: Workspace["Service"]["room"]
    /** Names of files that the encoder loses. */
    readonly lost?: ReadonlyArray<string>
    readonly encoders?: ReadonlyArray<Encoder>
    readonly detect?: Transcoder["Service"]["detect"]
    readonly tryOut?: Transcoder["Service"]["tryOut"]
    /** How long the trials of encoders take. */
    readonly trialSeconds?: number
  } = {}
): FakeWorker => {
  const calls: FakeWorker["calls"] = []
  const notes: FakeWorker["notes"] = []
  const facts = new Map<string, SegmentFacts>()
  let digests = 0

  const noted = <A, E>(name: Call["name"], argument: unknown, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.gen(function* () {
      calls.push({ name, at: (yield* Clock.currentTimeMillis) / 1000, argument })
      return yield* effect
    })

  const { api = {} } = options
  const pace = (seconds: number) => (seconds === 0 ? Effect.void : Effect.sleep(`${seconds} seconds`))

  const transcode: Transcoder["Service"]["transcode"] = ({ folder, madeSegments = 0, plan }) => {
    const there = new Set(Array.from({ length: madeSegments }, (_, index) => segmentName(index)))
    const pictures = new Set(plan.video.map(({ name }) => name))
    const files = wellMade(plan, folder)
      .filter(
        ({ event }) =>
          !(options.lost ?? []).includes(`${event.rendition}/${event.name}`) &&
          !(pictures.has(event.rendition) && there.has(event.name))
      )
      // All renditions come along together.
      .toSorted((a, b) => a.event.name.localeCompare(b.event.name))
    for (const file of files) facts.set(file.event.path, file.facts)
    return Stream.unwrap(
      Effect.acquireRelease(
        Effect.sync(() => notes.push("encoding")),
        () => Effect.sync(() => notes.push("stopped"))
      ).pipe(
        Effect.as(
          Stream.fromIterable(files).pipe(
            Stream.mapEffect(({ event }) => Effect.as(pace(options.encodeSeconds ?? 0), event)),
            Stream.flatMap((event) =>
              Stream.fromIterable<TranscodeEvent>([{ _tag: "Advanced", frames: plan.frames / 2, speed: 2 }, event])
            )
          )
        )
      )
    )
  }

  const layer = Layer.mergeAll(
    Layer.succeed(
      WorkerApi,
      WorkerApi.of({
        heartbeat: (report) =>
          noted("heartbeat", report, api.heartbeat?.(report) ?? Effect.succeed({ welcome: true, cancelled: [] })),
        claim: noted("claim", null, api.claim ?? Effect.succeedNone),
        renew: (task, report) => noted("renew", report, api.renew?.(task, report) ?? Effect.void),
        download: (task, path, arrived) => noted("download", path, api.download?.(task, path, arrived) ?? Effect.void),
        begin: (task, fingerprint) => noted("begin", fingerprint, api.begin?.(task, fingerprint) ?? Effect.succeedNone),
        adopt: (task, from) => noted("adopt", from, api.adopt?.(task, from) ?? Effect.void),
        upload: (task, file, path) => noted("upload", file, api.upload?.(task, file, path) ?? Effect.void),
        complete: (task, output) => noted("complete", output, api.complete?.(task, output) ?? Effect.void),
        fail: (task, failure) => noted("fail", failure, api.fail?.(task, failure) ?? Effect.void),
        release: (task) => noted("release", task, api.release?.(task) ?? Effect.void)
      })
    ),
    Layer.succeed(
      Workspace,
      Workspace.of({
        open: (lease, extension) =>
          Effect.acquireRelease(
            Effect.sync(() => {
              notes.push("opened")
              return { source: `${lease}/source${extension}`, output: `${lease}/out`, poster: `${lease}/poster.jpg` }
            }),
            () => Effect.sync(() => notes.push("removed"))
          ),
        digest:
          options.digest ??
          (({ name, rendition }) => Effect.sync(() => ({ rendition, name, bytes: 1000, sha256: sha256(++digests) }))),
        digestsOfFirst: (_, lengths) =>
          Effect.succeed(new Map(lengths.map((length) => [length, digestOfFirst(length)]))),
        room: options.room ?? Effect.void,
        remove: () => Effect.void,
        space: Effect.succeed({ free: 1e9, size: 2e9 })
      })
    ),
    Layer.succeed(
      MediaProbe,
      MediaProbe.of({
        probe: options.probe ?? (() => Effect.succeed(source())),
        foresee: options.foresee ?? (() => Effect.succeed(null))
      })
    ),
    Encoders.layer.pipe(
      Layer.provideMerge(
        Layer.succeed(
          Transcoder,
          Transcoder.of({
            detect:
              options.detect ?? Effect.as(pace(options.trialSeconds ?? 0), capable(options.encoders ?? [software])),
            tryOut: options.tryOut ?? (() => Effect.void),
            transcode: options.transcode ?? transcode,
            fingerprint: () => Effect.succeed(Fingerprint.make("f".repeat(64))),
            poster: ({ path }) =>
              Effect.sync(() => {
                facts.set(path, { _tag: "Attachment" })
              })
          })
        )
      )
    ),
    Layer.succeed(
      SegmentInspector,
      SegmentInspector.of({
        inspect: Effect.fnUntraced(function* ({ name, path }) {
          const found = facts.get(path)
          return found ?? (yield* new NotASegment({ name, problem: "there is nothing" }))
        }),
        inspectDelivered: ({ path }) =>
          new NotASegment({ name: path, problem: "no worker delivers such files to itself" })
      })
    ),
    WorkerState.layer
  )
  return { layer, calls, notes, called: (name) => calls.filter((call) => call.name === name) }
}
