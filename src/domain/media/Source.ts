/** A source: what a probe found in an uploaded file, decoded and judged. Times in seconds, sizes in pixels. */
import { Schema } from "effect"
import { Colours } from "./Colours.ts"
import { FrameRate } from "./FrameRate.ts"
import { LanguageTag } from "./Language.ts"

const FieldOrder = Schema.Literals(["progressive", "interlaced", "unknown"])

/** How light is encoded: everything that is not one of the two HDR curves is shown as standard dynamic range. */
export const DynamicRange = Schema.Literals(["sdr", "pq", "hlg"])

export const VideoStream = Schema.Struct({
  index: Schema.Int,
  codec: Schema.String,
  /** Stored size, before rotation and pixel aspect. */
  width: Schema.Int,
  height: Schema.Int,
  pixelAspect: Schema.Finite,
  /** Clockwise turn that a player makes before showing. */
  rotation: Schema.Literals([0, 90, 180, 270]),
  /** The file says how to turn or mirror its pictures. */
  oriented: Schema.Boolean,
  nominalFrameRate: FrameRate,
  /** While pictures follow each other: pauses and lost ones do not count. */
  usualFrameRate: FrameRate,
  /** Every picture lasts as long as every other, within the time base of the container. */
  constantFrameRate: Schema.Boolean,
  frames: Schema.Int,
  /** First picture's time, relative to the file's own start. */
  start: Schema.Finite,
  /** From the first picture to the end of the last, counted from the packets that are there. */
  duration: Schema.Finite,
  /** When the header says that this stream ends. Later than `start + duration` in a file that was cut short. */
  promised: Schema.Finite,
  pixelFormat: Schema.String,
  bitDepth: Schema.Int,
  fieldOrder: FieldOrder,
  dynamicRange: DynamicRange,
  colours: Colours,
  fullRange: Schema.Boolean
})
export interface VideoStream extends Schema.Schema.Type<typeof VideoStream> {}

export const AudioStream = Schema.Struct({
  index: Schema.Int,
  codec: Schema.String,
  channels: Schema.Int,
  /** `speakers`: each channel is for one. `sphere`: ambisonics, in the order W, Y, Z, X. `unknown`: nobody says. */
  arrangement: Schema.Literals(["speakers", "sphere", "unknown"]),
  sampleRate: Schema.Int,
  /** `und` where the file gives none. */
  language: LanguageTag,
  start: Schema.Finite,
  /** Null where the container does not say. */
  duration: Schema.NullOr(Schema.Finite)
})
export interface AudioStream extends Schema.Schema.Type<typeof AudioStream> {}

export const Source = Schema.Struct({
  container: Schema.String,
  bytes: Schema.Int,
  video: VideoStream,
  audio: Schema.Array(AudioStream)
})
export interface Source extends Schema.Schema.Type<typeof Source> {}

/** A source that no worker can make anything of. Trying again does not help; another file does. */
export class SourceRejected extends Schema.TaggedError<SourceRejected>()("SourceRejected", {
  problem: Schema.String,
  remedy: Schema.String
}) {
  override get message() {
    return `${this.problem}. ${this.remedy}`
  }
}

interface Size {
  readonly width: number
  readonly height: number
}

export const turned = ({ rotation }: VideoStream, { height, width }: Size): Size =>
  rotation === 90 || rotation === 270 ? { width: height, height: width } : { width, height }

/** Size as a person sees it: pixel aspect applied, then turned. */
export const displaySize = (video: VideoStream): Size =>
  turned(video, { width: Math.round(video.width * video.pixelAspect), height: video.height })

/** A file whose pictures end this much earlier than its header says was cut short on its way. */
const allowedShortfall = (claimed: number) => Math.max(1, claimed * 0.02)

const longest = 24 * 3600
const widest = 8192

/** Why this source cannot be transcoded, or null. */
export const objection = (source: Source): SourceRejected | null => {
  const { video } = source
  const size = displaySize(video)
  if (video.frames === 0 || video.duration <= 0) {
    return new SourceRejected({ problem: "The file has no pictures in it", remedy: "Upload a video that plays" })
  }
  const end = video.start + video.duration
  if (video.promised - end > allowedShortfall(video.promised)) {
    return new SourceRejected({
      problem: `The file was cut short: it says that it lasts ${video.promised.toFixed(1)} s, but its pictures end at ${end.toFixed(1)} s`,
      remedy: "Copy or upload the whole file again"
    })
  }
  if (video.duration > longest) {
    return new SourceRejected({
      problem: `The video lasts ${(video.duration / 3600).toFixed(1)} hours, and more than ${longest / 3600} are not taken`,
      remedy: "Split it and upload the parts"
    })
  }
  if (size.width < 16 || size.height < 16 || Math.max(size.width, size.height) > widest) {
    return new SourceRejected({
      problem: `The picture is ${size.width}x${size.height}, and only 16 to ${widest} pixels a side are taken`,
      remedy: "Upload a version of another size"
    })
  }
  return null
}
