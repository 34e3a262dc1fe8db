/** Whether a worker's output is what its plan says, before anybody is told that it is done. */
import { Result } from "effect"
import type { VideoCodec } from "../media/Codec.ts"
import * as FrameRate from "../media/FrameRate.ts"
import type { Presentation } from "../media/Presentation.ts"
import type { VideoRendition } from "../media/Rendition.ts"
import type { MediaSegment, RegisteredFile, VideoInit } from "../media/Segment.ts"
import { segmentIndex } from "../media/Segment.ts"
import type { SegmentGrid } from "../media/SegmentGrid.ts"
import type { TranscodePlan } from "../media/TranscodePlan.ts"
import { framesOf, gridOf, renditionNames } from "../media/TranscodePlan.ts"
import { assemble, OutputIncomplete } from "./Completion.ts"

/** One frame more or less is rounding where a source has a variable rate; none may be missing where it is constant. */
const allowedFrames = 1

/** How the codec string of RFC 6381 begins. */
const sampleEntry: Readonly<Record<VideoCodec, string>> = { h264: "avc1.", hevc: "hvc1.", av1: "av01." }

const segmentsOf = (files: ReadonlyArray<RegisteredFile>, rendition: string) =>
  files.filter(
    (file): file is RegisteredFile & { readonly facts: MediaSegment } =>
      file.rendition === rendition && file.facts._tag === "MediaSegment"
  )

export const framesMade = (files: ReadonlyArray<RegisteredFile>, rendition: string): number =>
  segmentsOf(files, rendition).reduce((sum, { facts }) => sum + facts.samples, 0)

const initProblems = ({ height, name, width }: VideoRendition, init: VideoInit, codec: VideoCodec) => [
  ...(init.width === width && init.height === height
    ? []
    : [`${name} is ${init.width}x${init.height} instead of ${width}x${height}`]),
  ...(init.codecs.startsWith(sampleEntry[codec]) ? [] : [`${name} is in ${init.codecs} instead of ${codec}`])
]

/** Every segment starts where the grid says, whatever the one before it holds. */
const gridProblems = (
  { frameRate, framesPerSegment }: SegmentGrid,
  files: ReadonlyArray<RegisteredFile>,
  { timescale }: VideoInit
) =>
  files.flatMap(({ facts, name, rendition }) => {
    if (facts._tag !== "MediaSegment") return []
    const wanted = FrameRate.seconds(frameRate, (segmentIndex(name) ?? 0) * framesPerSegment)
    const found = facts.decodeTime / timescale
    return Math.abs(found - wanted) < FrameRate.seconds(frameRate, 0.5)
      ? []
      : [`${rendition}/${name} starts at ${found.toFixed(3)} s, not at ${wanted.toFixed(3)} s`]
  })

const videoProblems = (
  plan: TranscodePlan,
  files: ReadonlyArray<RegisteredFile>,
  rendition: VideoRendition
): ReadonlyArray<string> => {
  const frames = framesMade(files, rendition.name)
  const wanted = framesOf(plan, rendition)
  const init = files.find((file) => file.rendition === rendition.name && file.facts._tag === "VideoInit")?.facts
  const asPlanned =
    init?._tag === "VideoInit"
      ? [
          ...initProblems(rendition, init, plan.encoder.codec),
          ...gridProblems(gridOf(plan, rendition), segmentsOf(files, rendition.name), init)
        ]
      : []
  return Math.abs(frames - wanted) <= allowedFrames
    ? asPlanned
    : [`${rendition.name} has ${frames} frames instead of ${wanted}`, ...asPlanned]
}

/**
 * The judgement that the server will make as well, and what only the worker can know: that every rendition of the plan
 * is there, in its size and codec, that no picture is missing, and that all segments lie on the grid.
 */
export const accept = (
  plan: TranscodePlan,
  files: ReadonlyArray<RegisteredFile>
): Result.Result<Presentation, OutputIncomplete> => {
  const there = new Set(files.map(({ rendition }) => rendition))
  const [first, ...rest] = [
    ...renditionNames(plan).flatMap((name) => (there.has(name) ? [] : [`${name} is missing`])),
    ...plan.video.flatMap((rendition) => videoProblems(plan, files, rendition))
  ]
  if (first !== undefined) return Result.fail(new OutputIncomplete({ problems: [first, ...rest] }))
  const languages = Object.fromEntries(plan.audio.map((rendition) => [rendition.name, rendition.language]))
  return assemble(files, { duration: plan.duration, languages })
}
