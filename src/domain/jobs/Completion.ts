/**
 * Whether what an attempt uploaded is a whole, playable output. An encoder's exit code and a playlist's end mark prove
 * nothing, so the files themselves are asked: each digest, each box's time, each boundary.
 */
import { Result, Schema } from "effect"
import * as FrameRate from "../media/FrameRate.ts"
import type { AudioTrack, Presentation, TrackSegment, VideoTrack } from "../media/Presentation.ts"
import type { RenditionName } from "../media/Rendition.ts"
import type { AudioInit, FileDigest, MediaSegment, RegisteredFile, VideoInit } from "../media/Segment.ts"
import { initName, segmentIndex } from "../media/Segment.ts"

/** Everything that is wrong, so that one look at the log is enough. */
export class OutputIncomplete extends Schema.TaggedError<OutputIncomplete>()("OutputIncomplete", {
  problems: Schema.NonEmptyArray(Schema.String)
}) {
  override get message() {
    return `The output is not complete: ${this.problems.slice(0, 10).join("; ")}${
      this.problems.length > 10 ? `; and ${this.problems.length - 10} more` : ""
    }`
  }
}

const fileKey = (file: { readonly rendition: string; readonly name: string }) => `${file.rendition}/${file.name}`

/** Compares what a worker says that it uploaded with what the server holds; gives the files to publish. */
export const confirmManifest = (
  claimed: ReadonlyArray<FileDigest>,
  registered: ReadonlyArray<RegisteredFile>
): Result.Result<ReadonlyArray<RegisteredFile>, OutputIncomplete> => {
  const held = new Map(registered.map((file) => [fileKey(file), file]))
  const problems: Array<string> = []
  const files: Array<RegisteredFile> = []
  for (const claim of claimed) {
    const file = held.get(fileKey(claim))
    if (file === undefined) problems.push(`${fileKey(claim)} was never uploaded`)
    else if (file.sha256 !== claim.sha256)
      problems.push(`${fileKey(claim)} is another file than the one that was uploaded`)
    else files.push(file)
  }
  return finish(problems, files)
}

/** The nearest of the frame rates that people use, or the exact quotient where none is near. */
export const frameRateOf = (samples: number, duration: number, timescale: number): FrameRate.FrameRate => {
  const measured = (samples * timescale) / duration
  return (
    FrameRate.standard.find((rate) => Math.abs(FrameRate.toNumber(rate) - measured) < 0.005) ??
    FrameRate.make(samples * timescale, duration)
  )
}

interface Group {
  readonly name: RenditionName
  readonly inits: ReadonlyArray<RegisteredFile & { readonly facts: VideoInit | AudioInit }>
  readonly segments: ReadonlyArray<RegisteredFile & { readonly facts: MediaSegment }>
}

const byRendition = (files: ReadonlyArray<RegisteredFile>): ReadonlyArray<Group> =>
  [...new Set(files.map((file) => file.rendition))]
    .map((name) => {
      const own = files.filter((file) => file.rendition === name)
      return {
        name,
        inits: own.filter(
          (file): file is Group["inits"][number] => file.facts._tag === "VideoInit" || file.facts._tag === "AudioInit"
        ),
        segments: own
          .filter((file): file is Group["segments"][number] => file.facts._tag === "MediaSegment")
          .toSorted((a, b) => (segmentIndex(a.name) ?? 0) - (segmentIndex(b.name) ?? 0))
      }
    })
    .filter((group) => group.inits.length + group.segments.length > 0)

const trackProblems = (group: Group): ReadonlyArray<string> => {
  const [init] = group.inits
  if (init === undefined) return [`${group.name} has no ${initName}`]
  if (group.segments.length === 0) return [`${group.name} has no segments`]
  const problems: Array<string> = []
  if (new Set(group.inits.map((file) => file.sha256)).size > 1) {
    problems.push(`${group.name} was encoded in two ways: its parts have different ${initName}`)
  }
  let expectedTime = 0
  group.segments.forEach((segment, position) => {
    if (segmentIndex(segment.name) !== position) problems.push(`${group.name} lacks segment ${position}`)
    if (segment.bytes === 0 || segment.facts.samples === 0 || segment.facts.duration === 0) {
      problems.push(`${fileKey(segment)} is empty`)
    }
    if (segment.facts.decodeTime !== expectedTime) {
      problems.push(
        `${fileKey(segment)} starts at ${segment.facts.decodeTime}, not where the one before it ends, ${expectedTime}`
      )
    }
    if (init.facts._tag === "VideoInit" && !segment.facts.startsWithKeyframe) {
      problems.push(`${fileKey(segment)} does not start with a keyframe`)
    }
    expectedTime = segment.facts.decodeTime + segment.facts.duration
  })
  return problems
}

const trackSegments = (group: Group): readonly [TrackSegment, ...Array<TrackSegment>] =>
  group.segments.map((file) => ({
    name: file.name,
    decodeTime: file.facts.decodeTime,
    duration: file.facts.duration,
    bytes: file.bytes
  })) as [TrackSegment, ...Array<TrackSegment>]

const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)

const videoTrack = (group: Group, init: VideoInit): VideoTrack => ({
  name: group.name,
  codecs: init.codecs,
  timescale: init.timescale,
  init: initName,
  segments: trackSegments(group),
  width: init.width,
  height: init.height,
  frameRate: frameRateOf(
    sum(group.segments.map((file) => file.facts.samples)),
    sum(group.segments.map((file) => file.facts.duration)),
    init.timescale
  )
})

const audioTrack = (group: Group, init: AudioInit, language: string): AudioTrack => ({
  name: group.name,
  codecs: init.codecs,
  timescale: init.timescale,
  init: initName,
  segments: trackSegments(group),
  sampleRate: init.sampleRate,
  channels: init.channels,
  language
})

/** Renditions that a player may switch between must be cut at the same instants, within half a frame. */
const alignmentProblems = (tracks: ReadonlyArray<VideoTrack>): ReadonlyArray<string> => {
  const [first, ...others] = tracks
  if (first === undefined) return ["there is no video"]
  const tolerance = 0.5 / FrameRate.toNumber(first.frameRate)
  return others.flatMap((track) => {
    if (track.segments.length !== first.segments.length) {
      return [`${track.name} has ${track.segments.length} segments, but ${first.name} has ${first.segments.length}`]
    }
    const stray = track.segments.findIndex(
      (segment, position) =>
        Math.abs(segment.decodeTime / track.timescale - first.segments[position]!.decodeTime / first.timescale) >
        tolerance
    )
    return stray === -1
      ? []
      : [`${track.segments[stray]!.name} of ${track.name} starts at another time than that of ${first.name}`]
  })
}

/** Seconds by which a track may differ from the source: encoders pad the last block of sound. */
const allowedDifference = 0.5

const durationProblems = (tracks: ReadonlyArray<VideoTrack | AudioTrack>, expected: number): ReadonlyArray<string> =>
  tracks.flatMap((track) => {
    const actual = sum(track.segments.map((segment) => segment.duration)) / track.timescale
    return Math.abs(actual - expected) <= allowedDifference
      ? []
      : [`${track.name} lasts ${actual.toFixed(2)} s, but the source lasts ${expected.toFixed(2)} s`]
  })

const finish = <A>(problems: ReadonlyArray<string>, value: A): Result.Result<A, OutputIncomplete> => {
  const [first, ...rest] = problems
  return first === undefined ? Result.succeed(value) : Result.fail(new OutputIncomplete({ problems: [first, ...rest] }))
}

/**
 * Judges the files of all of a job's tasks together and makes the presentation of them. `duration` in seconds is the
 * source's; `languages` names the language of sound renditions.
 */
export const assemble = (
  files: ReadonlyArray<RegisteredFile>,
  expected: { readonly duration: number; readonly languages: Readonly<Record<string, string>> }
): Result.Result<Presentation, OutputIncomplete> => {
  const groups = byRendition(files)
  const checked = finish(groups.flatMap(trackProblems), groups)
  if (Result.isFailure(checked)) return Result.fail(checked.failure)
  const video: Array<VideoTrack> = []
  const audio: Array<AudioTrack> = []
  for (const group of groups) {
    const { facts } = group.inits[0]!
    if (facts._tag === "VideoInit") video.push(videoTrack(group, facts))
    else audio.push(audioTrack(group, facts, expected.languages[group.name] ?? "und"))
  }
  video.sort((a, b) => b.width * b.height - a.width * a.height)
  audio.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }))
  const [first, ...rest] = video
  if (first === undefined) return Result.fail(new OutputIncomplete({ problems: ["there is no video"] }))
  return finish([...alignmentProblems(video), ...durationProblems([...video, ...audio], expected.duration)], {
    video: [first, ...rest],
    audio
  })
}
