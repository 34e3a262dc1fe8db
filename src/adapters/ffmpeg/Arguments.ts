/** ffmpeg's arguments for a plan: one decode, each rung scaled from the one above, sound once. */
import { join } from "node:path"
import type { Encoder } from "../../domain/media/Encoder.ts"
import * as FrameRate from "../../domain/media/FrameRate.ts"
import type { AudioRendition, VideoRendition } from "../../domain/media/Rendition.ts"
import { RenditionName } from "../../domain/media/Rendition.ts"
import { initName, segmentPattern } from "../../domain/media/Segment.ts"
import * as SegmentGrid from "../../domain/media/SegmentGrid.ts"
import { framesOf, gridOf, type TranscodePlan } from "../../domain/media/TranscodePlan.ts"
import { backendOf } from "./backends/index.ts"
import { audioGraph, decodesOnDevice, posterGraph, videoGraph } from "./Graph.ts"
import { inputOptions } from "./InputOptions.ts"

/** ffmpeg's own list of finished segments; ours are written by the server from what was registered. */
export const listName = "list.m3u8"

/** `event`: the list is rewritten after each segment, while `vod` writes it only at the end. */
const segments = (folder: string, seconds: number, first = 0): ReadonlyArray<string> => [
  "-map_metadata",
  "-1",
  "-f",
  "hls",
  "-hls_time",
  seconds.toFixed(6),
  "-hls_list_size",
  "0",
  "-hls_playlist_type",
  "event",
  "-hls_segment_type",
  "fmp4",
  "-hls_flags",
  "independent_segments+temp_file",
  "-hls_fmp4_init_filename",
  initName,
  "-start_number",
  String(first),
  "-hls_segment_options",
  `movflags=+frag_discont:fragment_index=${first + 1}`,
  "-hls_segment_filename",
  join(folder, segmentPattern),
  join(folder, listName)
]

/** A millisecond less than the segment, so that rounding of timestamps never lets a boundary pass by. */
const cutAfter = (plan: TranscodePlan) => SegmentGrid.segmentSeconds(plan.grid) - 0.001

/**
 * Without it the muxer moves the first part of a video by the delay of its B-frames and later parts not. Sound keeps
 * the default: its first packet has a negative time, the encoder's run-up, that a segment cannot hold.
 */
const keptTimestamps = ["-avoid_negative_ts", "disabled"]

const encoded = (plan: TranscodePlan, rendition: VideoRendition, position: number, firstFrame = 0) => [
  "-map",
  `[v${position}]`,
  "-frames:v",
  String(framesOf(plan, rendition, firstFrame)),
  "-c:v",
  plan.encoder.name,
  ...backendOf(plan.encoder).encodeOptions({
    encoder: plan.encoder,
    maxBitrate: rendition.maxBitrate,
    grid: gridOf(plan, rendition),
    threads: plan.threads
  })
]

const encodedSound = (rendition: AudioRendition, position: number) => [
  "-map",
  `[a${position}]`,
  "-c:a",
  "aac",
  "-b:a",
  `${rendition.bitrate}k`,
  "-ac",
  String(rendition.channels)
]

const videoOutput = (
  plan: TranscodePlan,
  rendition: VideoRendition,
  position: number,
  folder: string,
  firstSegment: number
) => {
  const firstFrame = firstSegment * plan.grid.framesPerSegment
  return [
    ...encoded(plan, rendition, position, firstFrame),
    ...(plan.sound === undefined ? [] : encodedSound(plan.sound, position)),
    ...keptTimestamps,
    ...(firstSegment === 0 ? [] : ["-output_ts_offset", FrameRate.seconds(plan.grid.frameRate, firstFrame).toFixed(6)]),
    ...segments(folder, cutAfter(plan), firstSegment)
  ]
}

const audioOutput = (plan: TranscodePlan, rendition: AudioRendition, position: number, folder: string) => [
  ...encodedSound(rendition, position),
  ...segments(folder, SegmentGrid.segmentSeconds(plan.grid))
]

/** Opens the encoder's device, and has it decode where it may. Placed before the input. */
const deviceOptions = (plan: TranscodePlan): ReadonlyArray<string> => {
  const { hardware } = backendOf(plan.encoder)
  if (hardware === undefined || plan.encoder.device === null) return []
  return [...hardware.open(plan.encoder.device), ...(decodesOnDevice(plan)?.decode ?? [])]
}

/**
 * Pictures of another size or format go on through the same filters, which would begin anew otherwise and lose count of
 * time. Those that turn pictures cannot take that, nor can a device, whose memory is made for one size.
 */
const sameFilters = (plan: TranscodePlan): ReadonlyArray<string> =>
  plan.oriented || decodesOnDevice(plan) !== undefined ? [] : ["-noautorotate", "-reinit_filter:v", "0"]

/** Of the filters, and of the decoder: both take all processors otherwise, whatever this container has the time of. */
const threadOptions = ({ threads }: TranscodePlan): ReadonlyArray<string> =>
  threads === null ? [] : ["-filter_complex_threads", String(threads), "-threads", String(threads)]

/** Added to the environment of an ffmpeg that uses an encoder. */
export const environmentFor = (encoder: Encoder): Readonly<Record<string, string>> =>
  backendOf(encoder).hardware?.environment ?? {}

const quiet = ["-nostdin", "-hide_banner", "-v", "warning", "-y"]

/** Pictures that the first wanted one may be made of: those of a refresh without keyframes take a while to be whole. */
const runUpSeconds = 5

/** Where in the source, in seconds, to begin to look for a keyframe; 0 where everything has to be decoded. */
const seekTo = (plan: TranscodePlan, firstFrame: number): number => {
  const wanted = FrameRate.seconds(plan.grid.frameRate, firstFrame) - runUpSeconds
  const firstPicture = FrameRate.seconds(plan.grid.frameRate, plan.normalisation.leadFrames)
  return plan.seekable && wanted > firstPicture ? Math.max(0, plan.start + wanted) : 0
}

/** `itsoffset` gives back what a seek takes from the timestamps, so that they are the same with it and without. */
const seekOptions = (seconds: number): ReadonlyArray<string> =>
  seconds === 0 ? [] : ["-itsoffset", seconds.toFixed(6), "-noaccurate_seek", "-ss", seconds.toFixed(6)]

/**
 * A `source` that is null comes through standard input. `folderOf` gives each rendition's folder, which must exist.
 * Pictures begin with the segment of number `firstSegment`; sound is made whole always, because its encoder needs what
 * comes before, and costs next to nothing.
 */
export const transcodeArguments = (
  plan: TranscodePlan,
  paths: { readonly source: string | null; folderOf(rendition: string): string },
  firstSegment = 0
): ReadonlyArray<string> => {
  const first = firstSegment * plan.grid.framesPerSegment
  const seek = seekTo(plan, first)
  const apart = seek > 0 && plan.audio.length > 0
  return [
    ...quiet,
    "-progress",
    "pipe:1",
    "-stats_period",
    "0.5",
    ...deviceOptions(plan),
    ...threadOptions(plan),
    ...seekOptions(seek),
    ...sameFilters(plan),
    ...inputOptions(paths.source),
    ...(apart ? inputOptions(paths.source) : []),
    "-filter_complex",
    [...videoGraph(plan, { first, sought: seek > 0 }), ...audioGraph(plan, apart ? 1 : 0)].join(";"),
    ...plan.video.flatMap((rendition, position) =>
      videoOutput(plan, rendition, position, paths.folderOf(rendition.name), firstSegment)
    ),
    ...plan.audio.flatMap((rendition, position) =>
      audioOutput(plan, rendition, position, paths.folderOf(rendition.name))
    )
  ]
}

/** Early enough that nothing is given away, late enough to be past a black start. */
export const posterAt = (plan: TranscodePlan) => Math.min(plan.duration * 0.2, 30)

/** One of the pictures that begin after `at` seconds, no larger than pages show it. */
export const posterArguments = (
  plan: TranscodePlan,
  paths: { readonly source: string; readonly poster: string },
  at: number
): ReadonlyArray<string> => {
  const size = plan.video.find(({ height, width }) => height <= 720 || width <= 720) ?? plan.video[0]!
  return [
    ...quiet,
    "-ss",
    at.toFixed(3),
    ...inputOptions(paths.source),
    "-filter_complex",
    posterGraph(plan, size),
    "-map",
    "[poster]",
    "-frames:v",
    "1",
    "-q:v",
    "4",
    "-f",
    "image2",
    paths.poster
  ]
}

/** Two small rungs of the least that shows whether an encoder works: 256 lines, because some devices refuse less. */
const trialPlan = (encoder: Encoder): TranscodePlan => {
  const grid = SegmentGrid.make(FrameRate.make(30))
  const frames = 8
  const rung = (name: string, width: number, height: number, frameStep: 1 | 2) => ({
    name: RenditionName.make(name),
    width,
    height,
    maxBitrate: 1000,
    frameStep
  })
  return {
    videoStream: 0,
    decoded: { width: 640, height: 360 },
    oriented: false,
    start: 0,
    seekable: false,
    frames,
    duration: FrameRate.seconds(grid.frameRate, frames),
    grid,
    normalisation: {
      deinterlace: "none",
      toneMapFrom: "sdr",
      fullRange: false,
      rgb: false,
      colours: {},
      leadFrames: 0,
      holdLastPicture: 0,
      scalingOnly: true
    },
    encoder,
    threads: null,
    video: [rung("360p", 640, 360, 1), rung("256p", 456, 256, 2)],
    audio: []
  }
}

/** A moving test picture through the very graph and options that jobs will use. */
export const trialArguments = (encoder: Encoder): ReadonlyArray<string> => {
  const plan = trialPlan(encoder)
  return [
    ...quiet,
    ...deviceOptions(plan),
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=640x360:rate=30",
    "-filter_complex",
    videoGraph(plan).join(";"),
    ...plan.video.flatMap((rendition, position) => [...encoded(plan, rendition, position), "-f", "null", "-"])
  ]
}
