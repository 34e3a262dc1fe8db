/** What the tasks of a job leave on the server: two sizes of picture cut at the same frames, sound for all of it, a poster. */
import { Arbitrary } from "effect"
import * as FrameRate from "../../../src/domain/media/FrameRate.ts"
import { RenditionName } from "../../../src/domain/media/Rendition.ts"
import {
  initName,
  posterName,
  posterRendition,
  type RegisteredFile,
  type SegmentFacts,
  segmentName
} from "../../../src/domain/media/Segment.ts"
import * as SegmentGrid from "../../../src/domain/media/SegmentGrid.ts"
import { int, standardRate } from "./arbitraries.ts"
import { sha256 } from "./ids.ts"

export interface Output {
  readonly frameRate: FrameRate.FrameRate
  /** Segments of each task that encodes a range of pictures. */
  readonly tasks: ReadonlyArray<number>
  /** Frames of the last segment of all. */
  readonly lastFrames: number
}

const sizes = [
  { name: RenditionName.make("720p"), width: 1280, height: 720, codecs: "avc1.64001f" },
  { name: RenditionName.make("360p"), width: 640, height: 360, codecs: "avc1.64001e" }
]
const sound = RenditionName.make("audio-0")
const soundScale = 48_000

/** The same file always has the same digest, and no two have the same. */
const file = (rendition: RenditionName, name: string, facts: SegmentFacts): RegisteredFile => {
  const digits = [...`${rendition}/${name}`].map((char) => char.charCodeAt(0).toString(16)).join("")
  return { rendition, name, bytes: 1000, sha256: sha256(0).slice(digits.length) + digits, facts } as RegisteredFile
}

export const secondsOf = (output: Output): number => {
  const grid = SegmentGrid.make(output.frameRate)
  const segments = output.tasks.reduce((sum, count) => sum + count, 0)
  return FrameRate.seconds(output.frameRate, (segments - 1) * grid.framesPerSegment + output.lastFrames)
}

/** The files of each task: one for each range of pictures, then one for the sound. */
export const filesOf = (output: Output): ReadonlyArray<ReadonlyArray<RegisteredFile>> => {
  const { denominator, numerator } = output.frameRate
  const grid = SegmentGrid.make(output.frameRate)
  const segments = output.tasks.reduce((sum, count) => sum + count, 0)
  const positions = Array.from({ length: segments }, (_, position) => position)
  const framesAt = (position: number) => (position === segments - 1 ? output.lastFrames : grid.framesPerSegment)
  const startOf = (position: number) => Math.min(position * grid.framesPerSegment, Number.MAX_SAFE_INTEGER)

  const pictures = (from: number, count: number) =>
    sizes.flatMap(({ name, ...size }) => [
      file(name, initName, { _tag: "VideoInit", timescale: numerator * 512, ...size }),
      ...positions.slice(from, from + count).map((position) =>
        file(name, segmentName(position), {
          _tag: "MediaSegment",
          decodeTime: startOf(position) * denominator * 512,
          duration: framesAt(position) * denominator * 512,
          samples: framesAt(position),
          startsWithKeyframe: true
        })
      )
    ])

  const block = (frames: number) => Math.round((FrameRate.seconds(output.frameRate, frames) * soundScale) / 1024) * 1024
  const soundtrack = [
    file(sound, initName, {
      _tag: "AudioInit",
      codecs: "mp4a.40.2",
      timescale: soundScale,
      sampleRate: soundScale,
      channels: 2
    }),
    ...positions.map((position) => {
      const decodeTime = block(startOf(position))
      const duration = block(startOf(position) + framesAt(position)) - decodeTime
      return file(sound, segmentName(position), {
        _tag: "MediaSegment",
        decodeTime,
        duration,
        samples: duration / 1024,
        startsWithKeyframe: true
      })
    })
  ]

  let from = 0
  const ranges = output.tasks.map((count) => {
    const files = pictures(from, count)
    from += count
    return files
  })
  return [...ranges, [...soundtrack, file(posterRendition, posterName, { _tag: "Attachment" })]]
}

/** Good outputs of one to four tasks beside the sound's, none of whose last segments is a mere blink. */
export const outputs: Arbitrary.Arbitrary<Output> = Arbitrary.map(
  Arbitrary.all({
    frameRate: standardRate,
    tasks: Arbitrary.array(Arbitrary.schema(int(1, 6)), { minLength: 1, maxLength: 4 }),
    lastSeconds: Arbitrary.schema(int(1, 4))
  }),
  ({ frameRate, lastSeconds, tasks }) => ({ frameRate, tasks, lastFrames: FrameRate.framesIn(frameRate, lastSeconds) })
)

export const keyOf = (file: { readonly rendition: string; readonly name: string }) => `${file.rendition}/${file.name}`
