/**
 * Whether what a worker of the older protocol uploaded is a whole, playable output. Its word is a list of names; what
 * counts is that each of them has a finished playlist, that everything the playlists list is here, and that the times in
 * the files are those in the playlists.
 */
import { Result, Schema } from "effect"
import type { DeliveredFacts, DeliveredFile, MediaPlaylist } from "../media/Delivered.ts"
import type { PlaylistPresentation, PlaylistRendition } from "../media/PlaylistPresentation.ts"
import type { TrackSegment, VideoTrack } from "../media/Presentation.ts"
import { RenditionName } from "../media/Rendition.ts"
import { frameRateOf, OutputIncomplete } from "./Completion.ts"
import * as FrameRate from "../media/FrameRate.ts"

export interface DeliveredQuality {
  readonly name: string
  readonly width: number
  readonly height: number
}

export interface Delivery {
  readonly presentation: PlaylistPresentation
  /** Those of the renditions that a DASH manifest can address. */
  readonly dash: ReadonlyArray<VideoTrack>
  /** Everything that players will ask for, but for what is written anew. */
  readonly files: ReadonlyArray<DeliveredFile>
}

type Of<Tag extends DeliveredFacts["_tag"]> = DeliveredFile & {
  readonly facts: Extract<DeliveredFacts, { readonly _tag: Tag }>
}

const isOf = <Tag extends DeliveredFacts["_tag"]>(file: DeliveredFile | undefined, tag: Tag): file is Of<Tag> =>
  file?.facts._tag === tag

/** Seconds by which a segment's length may differ from what the playlist says of it. */
const allowedStray = 0.5

/** Seconds by which a rendition may differ from the source: workers of the older protocol copy streams as they are. */
const allowedDifference = (duration: number) => Math.max(2, duration * 0.02)

/** Where the playlist of a rendition may lie, the likeliest first. */
const playlistPaths = (name: string): ReadonlyArray<string> => [
  `${name}/stream.m3u8`,
  `${name}/${name}.m3u8`,
  `${name}.m3u8`
]

const folderOf = (path: string) => path.slice(0, path.lastIndexOf("/") + 1)

export const findPlaylist = (
  files: ReadonlyMap<string, DeliveredFile>,
  name: string
): Of<"MediaPlaylist"> | undefined =>
  playlistPaths(name)
    .map((path) => files.get(path))
    .find((file) => isOf(file, "MediaPlaylist"))

/** What a playlist lists and the server does not hold. */
export const missingOf = (
  files: ReadonlyMap<string, DeliveredFile>,
  playlist: { readonly path: string; readonly facts: MediaPlaylist }
): ReadonlyArray<string> => {
  const { init, segments } = playlist.facts
  const listed = [...(init === null ? [] : [init]), ...segments.map((segment) => segment.uri)]
  return [...new Set(listed)].filter((uri) => !files.has(`${folderOf(playlist.path)}${uri}`))
}

const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)

interface Listed {
  readonly uri: string
  readonly seconds: number
  readonly file: DeliveredFile
}

const bitrates = (listed: ReadonlyArray<Listed>) => {
  const average = Math.ceil((sum(listed.map(({ file }) => file.bytes)) * 8) / sum(listed.map(({ seconds }) => seconds)))
  // What is left at the end may be a single picture, whose rate means nothing.
  const rates = listed.filter(({ seconds }) => seconds >= 1).map(({ file, seconds }) => (file.bytes * 8) / seconds)
  return { averageBitrate: average, peakBitrate: Math.ceil(Math.max(average, ...rates)) }
}

type Judged = { readonly problems: ReadonlyArray<string> } | JudgedRendition
interface JudgedRendition {
  readonly rendition: PlaylistRendition
  readonly track: VideoTrack | null
  readonly files: ReadonlyArray<DeliveredFile>
}

/** One consecutive run of numbers is what a DASH template can count. */
const isCountable = (listed: ReadonlyArray<Listed>) => {
  const numbers = listed.map(({ uri }) => /^seg_(\d+)\.m4s$/.exec(uri)?.[1])
  return numbers.every(
    (digits, position) =>
      digits !== undefined && digits.length === numbers[0]?.length && Number(digits) === Number(numbers[0]) + position
  )
}

const judgeFragmented = (
  name: RenditionName,
  playlist: Of<"MediaPlaylist">,
  init: Of<"MuxedInit">,
  listed: ReadonlyArray<Listed>
): Judged => {
  const video = init.facts.tracks.find((track) => track.width !== null)
  if (video === undefined) return { problems: [`${name} has no pictures`] }
  const problems: Array<string> = []
  const segments: Array<TrackSegment & { readonly samples: number }> = []
  for (const { file, uri } of listed) {
    const own = isOf(file, "MuxedSegment") ? file.facts.tracks.find((track) => track.id === video.id) : undefined
    if (own === undefined) problems.push(`${file.path} has no pictures`)
    else {
      if (!own.startsWithKeyframe) problems.push(`${file.path} does not start with a keyframe`)
      segments.push({ ...own, name: uri, bytes: file.bytes })
    }
  }
  if (segments.length < listed.length) return { problems }
  const timed = segments.map((segment, position) => {
    const next = segments[position + 1]
    return next === undefined ? segment : { ...segment, duration: next.decodeTime - segment.decodeTime }
  })
  timed.forEach(({ duration }, position) => {
    const { file, seconds } = listed[position]!
    if (Math.abs(duration / video.timescale - seconds) > allowedStray) {
      problems.push(`${file.path} lasts another time than the ${seconds} s that the playlist says`)
    }
  })
  const [first, ...rest] = timed.map(({ bytes, decodeTime, duration, name }) => ({ bytes, decodeTime, duration, name }))
  if (problems.length > 0 || first === undefined) return { problems }
  const codecs = init.facts.tracks.map((track) => track.codecs).join(",")
  const frameRate = frameRateOf(
    sum(segments.map(({ samples }) => samples)),
    sum(segments.map(({ duration }) => duration)),
    video.timescale
  )
  const size = { width: video.width ?? 0, height: video.height ?? 0 }
  return {
    rendition: {
      name,
      playlist: playlist.path,
      codecs,
      ...size,
      frameRate: FrameRate.toNumber(frameRate),
      ...bitrates(listed),
      segments: listed.length,
      duration: sum(listed.map(({ seconds }) => seconds))
    },
    track:
      folderOf(playlist.path) === `${name}/` && isCountable(listed)
        ? {
            name,
            codecs,
            timescale: video.timescale,
            init: playlist.facts.init!,
            segments: [first, ...rest],
            ...size,
            frameRate
          }
        : null,
    files: [playlist, init, ...listed.map(({ file }) => file)]
  }
}

const judgeTransport = (
  quality: DeliveredQuality & { readonly name: RenditionName },
  playlist: Of<"MediaPlaylist">,
  listed: ReadonlyArray<Listed>
): Judged => {
  const foreign = listed.filter(({ file }) => !isOf(file, "TransportStream"))
  if (foreign.length > 0) return { problems: foreign.map(({ file }) => `${file.path} needs an init segment`) }
  return {
    rendition: {
      ...quality,
      playlist: playlist.path,
      codecs: null,
      frameRate: null,
      ...bitrates(listed),
      segments: listed.length,
      duration: sum(listed.map(({ seconds }) => seconds))
    },
    track: null,
    files: [playlist, ...listed.map(({ file }) => file)]
  }
}

const judgeQuality = (
  files: ReadonlyMap<string, DeliveredFile>,
  quality: DeliveredQuality & { readonly name: RenditionName },
  duration: number
): Judged => {
  const { name } = quality
  const playlist = findPlaylist(files, name)
  if (playlist === undefined) return { problems: [`${name} has no playlist`] }
  if (!playlist.facts.ended) return { problems: [`the playlist of ${name} has no end`] }
  if (playlist.facts.segments.length === 0) return { problems: [`${name} has no segments`] }
  const missing = missingOf(files, playlist)
  if (missing.length > 0) return { problems: missing.map((uri) => `${name} lacks ${uri}`) }
  const folder = folderOf(playlist.path)
  const listed = playlist.facts.segments.map((segment) => ({ ...segment, file: files.get(`${folder}${segment.uri}`)! }))
  const seconds = sum(listed.map((segment) => segment.seconds))
  if (Math.abs(seconds - duration) > allowedDifference(duration)) {
    return { problems: [`${name} lasts ${seconds.toFixed(2)} s, but the source lasts ${duration.toFixed(2)} s`] }
  }
  if (playlist.facts.init === null) return judgeTransport(quality, playlist, listed)
  const init = files.get(`${folder}${playlist.facts.init}`)
  return isOf(init, "MuxedInit")
    ? judgeFragmented(name, playlist, init, listed)
    : { problems: [`${name} has no init segment that can be read`] }
}

const isRenditionName = Schema.is(RenditionName)

export const judgeDelivery = (
  delivered: ReadonlyArray<DeliveredFile>,
  expected: { readonly qualities: ReadonlyArray<DeliveredQuality>; readonly duration: number }
): Result.Result<Delivery, OutputIncomplete> => {
  const files = new Map<string, DeliveredFile>(delivered.map((file) => [file.path, file]))
  const qualities = new Map(expected.qualities.map((quality) => [quality.name, quality]))
  const judged = [...qualities.values()].map(({ height, name, width }): Judged =>
    isRenditionName(name)
      ? judgeQuality(files, { name, width, height }, expected.duration)
      : { problems: [`${name} is no name of a rendition`] }
  )
  const problems = judged.flatMap((one) => ("problems" in one ? one.problems : []))
  const whole = judged.filter((one) => "rendition" in one)
  const renditions = whole
    .map(({ rendition }) => rendition)
    .toSorted((a, b) => b.width * b.height - a.width * a.height || b.peakBitrate - a.peakBitrate)
  const [first, ...rest] = renditions
  const [problem, ...problemsToo] = first === undefined && problems.length === 0 ? ["there is no rendition"] : problems
  if (problem !== undefined || first === undefined) {
    return Result.fail(new OutputIncomplete({ problems: [problem ?? "there is no rendition", ...problemsToo] }))
  }
  return Result.succeed({
    presentation: { renditions: [first, ...rest] },
    dash: whole.flatMap(({ track }) => (track === null ? [] : [track])).toSorted((a, b) => b.height - a.height),
    files: [...whole.flatMap((one) => one.files), ...delivered.filter(({ path }) => extras.has(path))]
  })
}

const extras: ReadonlySet<string> = new Set(["thumbnail.jpg", "captions.vtt"])
