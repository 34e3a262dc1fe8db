/** What one ffmpeg is to do with a source, as data: arguments are built from it, and results are judged by it. */
import { Schema } from "effect"
import type { VideoCodec } from "./Codec.ts"
import { Assumed, assumed } from "./Colours.ts"
import { Encoder } from "./Encoder.ts"
import * as Rate from "./FrameRate.ts"
import { audioLadder, standardRungs, videoLadder } from "./Ladder.ts"
import { AudioRendition, VideoRendition } from "./Rendition.ts"
import * as SegmentGrid from "./SegmentGrid.ts"
import type { Source, VideoStream } from "./Source.ts"
import { DynamicRange, displaySize, turned } from "./Source.ts"

/** How decoded pictures become the ones that are scaled and encoded: square pixels, progressive, standard range. */
const Normalisation = Schema.Struct({
  /** `marked`: only those pictures of which the decoder says that they need it. */
  deinterlace: Schema.Literals(["none", "all", "marked"]),
  toneMapFrom: DynamicRange,
  fullRange: Schema.Boolean,
  /** Red, green and blue, as screen recorders make them: what becomes of them has to be said. */
  rgb: Schema.Boolean,
  /** Said of the pictures before anything is made of them. */
  colours: Assumed,
  /** Frames for which the first picture is shown before its time, where the sound begins before it. */
  leadFrames: Schema.Int,
  /** Seconds for which the last picture is held, where it or the sound goes on. */
  holdLastPicture: Schema.Finite,
  /** Nothing but scaling is needed, so that a device may decode into its own memory and keep the pictures there. */
  scalingOnly: Schema.Boolean
})

export const TranscodePlan = Schema.Struct({
  videoStream: Schema.Int,
  /** Size of the first pictures as they come out of the decoder, which turns them where they are `oriented`. */
  decoded: Schema.Struct({ width: Schema.Int, height: Schema.Int }),
  oriented: Schema.Boolean,
  /** Seconds by which the first frame comes after the start of the file: sound is moved by as much. */
  start: Schema.Finite,
  /** The container has an index by which pictures are found at their times. */
  seekable: Schema.Boolean,
  /** Frames and seconds of output. */
  frames: Schema.Int,
  duration: Schema.Finite,
  grid: SegmentGrid.SegmentGrid,
  normalisation: Normalisation,
  encoder: Encoder,
  /** For each encoder and for the filters; null where ffmpeg's own count is right. */
  threads: Schema.NullOr(Schema.Int),
  video: Schema.Array(VideoRendition),
  audio: Schema.Array(AudioRendition),
  /** Goes into every video rendition, where they are muxed; `audio` is empty then. */
  sound: Schema.optionalKey(AudioRendition)
})
export interface TranscodePlan extends Schema.Schema.Type<typeof TranscodePlan> {}

/** What every device decodes to: others may come out in a format that its scaler does not take. */
const commonFormats = new Set(["yuv420p", "yuv420p10le"])

/** By ffmpeg's names: `bgr0`, `gbrp10le`, `rgb48le`, and colours out of a palette. */
const rgbFormat = /rgb|bgr|gbr|pal8/

/** Where the file does not say whether pictures are of two fields, those of these codecs do, each by itself. */
const marksFields = new Set(["dvvideo", "h264", "mpeg2video", "mpeg4", "vc1", "wmv3", "prores", "ffv1", "mjpeg"])

const deinterlacing = ({ codec, fieldOrder }: VideoStream): TranscodePlan["normalisation"]["deinterlace"] => {
  if (fieldOrder === "interlaced") return "all"
  return fieldOrder === "unknown" && marksFields.has(codec) ? "marked" : "none"
}

const needsOnlyScaling = (video: VideoStream): boolean =>
  commonFormats.has(video.pixelFormat) &&
  !video.oriented &&
  deinterlacing(video) === "none" &&
  video.dynamicRange === "sdr" &&
  !video.fullRange

/** What goes beyond the pictures by less than this is let go: codecs pad their last block of sound. */
const inaudible = 0.5

const audible = (seconds: number) => (seconds > inaudible ? seconds : 0)

/** Muxed, only the first sound track has a place. */
const renditions = (
  video: ReadonlyArray<VideoRendition>,
  audio: ReadonlyArray<AudioRendition>,
  packaging: "muxed" | undefined
): Pick<TranscodePlan, "video" | "audio" | "sound"> => {
  if (packaging === undefined) return { video, audio }
  const [sound] = audio
  return { video: standardRungs(video), audio: [], ...(sound === undefined ? {} : { sound }) }
}

/** MP4 and Matroska, by ffmpeg's names. In others a seek guesses, and may end up behind the wanted picture. */
const indexed = /\b(?:mp4|matroska)\b/

/** The whole of a source as one task. */
export const wholeSource = (
  source: Source,
  options: {
    readonly encoder: Encoder
    readonly threads?: number | null
    readonly packaging?: "muxed" | undefined
  }
): TranscodePlan => {
  const { video } = source
  const frameRate = Rate.grid({
    nominal: video.nominalFrameRate,
    usual: video.usualFrameRate,
    constant: video.constantFrameRate
  })
  const pictures = video.constantFrameRate
    ? Math.round((video.frames * Rate.toNumber(frameRate)) / Rate.toNumber(video.nominalFrameRate))
    : Rate.framesIn(frameRate, video.duration)
  const pictureSeconds = Rate.seconds(frameRate, pictures)
  const lead = audible(video.start - Math.min(video.start, ...source.audio.map((audio) => audio.start)))
  const leadFrames = Rate.framesIn(frameRate, lead)
  const soundEnds = source.audio.map((audio) => audio.start + (audio.duration ?? 0) - video.start)
  // The last picture of a constant rate may stay, as that of an animation often does.
  const hold = audible(Math.max(video.duration, ...soundEnds) - pictureSeconds)
  const frames = leadFrames + pictures + Rate.framesIn(frameRate, hold)
  const rgb = rgbFormat.test(video.pixelFormat)
  return {
    videoStream: video.index,
    decoded: turned(video, { width: video.width, height: video.height }),
    oriented: video.oriented,
    start: video.start - Rate.seconds(frameRate, leadFrames),
    seekable: indexed.test(source.container),
    frames,
    duration: Rate.seconds(frameRate, frames),
    grid: SegmentGrid.make(frameRate),
    normalisation: {
      deinterlace: deinterlacing(video),
      toneMapFrom: video.dynamicRange,
      fullRange: video.fullRange,
      rgb,
      colours: assumed({ ...video, rgb, hdr: video.dynamicRange !== "sdr" }),
      leadFrames,
      holdLastPicture: hold,
      scalingOnly: needsOnlyScaling(video) && leadFrames === 0 && hold === 0
    },
    encoder: options.encoder,
    threads: options.threads ?? null,
    ...renditions(
      videoLadder({ ...displaySize(video), frameRate, codec: options.encoder.codec satisfies VideoCodec }),
      audioLadder(source.audio),
      options.packaging
    )
  }
}

/** What a rendition counts by that has only some of the plan's frames. */
export const gridOf = (plan: TranscodePlan, { frameStep }: VideoRendition) => SegmentGrid.thinned(plan.grid, frameStep)

/** Frames of a rendition from that of the plan's number `first` on, which is on a boundary. */
export const framesOf = (plan: TranscodePlan, { frameStep }: VideoRendition, first = 0) =>
  Math.ceil((plan.frames - first) / frameStep)

export const renditionNames = (plan: TranscodePlan) => [...plan.video, ...plan.audio].map((rendition) => rendition.name)
