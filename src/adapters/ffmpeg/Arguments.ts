/** ffmpeg's arguments for a plan: one decode, each rung scaled from the one above, sound once. */
import { join } from "node:path"
import * as FrameRate from "../../domain/media/FrameRate.ts"
import type { AudioRendition, VideoRendition } from "../../domain/media/Rendition.ts"
import { initName, segmentPattern } from "../../domain/media/Segment.ts"
import { segmentSeconds } from "../../domain/media/SegmentGrid.ts"
import type { TranscodePlan } from "../../domain/media/TranscodePlan.ts"
import { backendOf } from "./backends/index.ts"
import { inputOptions } from "./InputOptions.ts"

/** ffmpeg's own list of finished segments; ours are written by the server from what was registered. */
export const listName = "list.m3u8"

const scale = (rendition: VideoRendition, extra = "") =>
  `scale=${rendition.width}:${rendition.height}:flags=bicubic${extra},setsar=1`

/** Light as it was graded for HDR is folded into standard range; without this it looks washed out everywhere. */
const toneMap = [
  "zscale=t=linear:npl=100",
  "format=gbrpf32le",
  "zscale=p=bt709",
  "tonemap=hable:desat=0",
  "zscale=t=bt709:m=bt709:r=tv"
]

/**
 * Decoded pictures to the top rung. Timestamps start at zero before `fps` puts them on the grid, or the phase of a
 * source that starts at 21 ms would double a picture.
 */
const pictures = (plan: TranscodePlan, top: VideoRendition): ReadonlyArray<string> => {
  const { deinterlace, fullRange, holdLastPicture, toneMapFrom } = plan.normalisation
  return [
    ...(deinterlace ? ["bwdif=mode=send_frame:deint=all"] : []),
    "setpts=PTS-STARTPTS",
    `fps=${FrameRate.format(plan.grid.frameRate)}`,
    ...(holdLastPicture > 0 ? [`tpad=stop_mode=clone:stop_duration=${holdLastPicture.toFixed(6)}`] : []),
    scale(top, fullRange ? ":in_range=full:out_range=tv" : ""),
    ...(toneMapFrom === "sdr" ? [] : toneMap),
    "format=yuv420p"
  ]
}

/** Each rung is made from the next larger one: as sharp as from the source, and cheaper. */
const videoGraph = (plan: TranscodePlan): ReadonlyArray<string> => {
  const [top, ...lower] = plan.video
  if (top === undefined) return []
  const chain = pictures(plan, top).join(",")
  const outlet = (position: number) =>
    position < plan.video.length - 1 ? `,split=2[v${position}][s${position}]` : `[v${position}]`
  return [
    `[0:${plan.videoStream}]${chain}${outlet(0)}`,
    ...lower.map((rendition, index) => `[s${index}]${scale(rendition)}${outlet(index + 1)}`)
  ]
}

/** Sound is moved with the pictures, holes in it become silence, and it ends when they end. */
const audioGraph = (plan: TranscodePlan): ReadonlyArray<string> =>
  plan.audio.map((rendition, position) => {
    const end = plan.duration.toFixed(6)
    return `[0:${rendition.stream}]asetpts=PTS-(${plan.videoStart.toFixed(6)})/TB,aresample=48000:async=1000:first_pts=0,apad=whole_dur=${end},atrim=end=${end}[a${position}]`
  })

/** `event`: the list is rewritten after each segment, while `vod` writes it only at the end. */
const segments = (folder: string, seconds: number): ReadonlyArray<string> => [
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
  "-hls_segment_options",
  "movflags=+frag_discont",
  "-hls_segment_filename",
  join(folder, segmentPattern),
  join(folder, listName)
]

/** A millisecond less than the segment, so that rounding of timestamps never lets a boundary pass by. */
const cutAfter = (plan: TranscodePlan) => segmentSeconds(plan.grid) - 0.001

/**
 * Without it the muxer moves the first part of a video by the delay of its B-frames and later parts not. Sound keeps
 * the default: its first packet has a negative time, the encoder's run-up, that a segment cannot hold.
 */
const keptTimestamps = ["-avoid_negative_ts", "disabled"]

const videoOutput = (plan: TranscodePlan, rendition: VideoRendition, position: number, folder: string) => [
  "-map",
  `[v${position}]`,
  "-frames:v",
  String(plan.frames),
  "-c:v",
  plan.encoder.name,
  ...backendOf(plan.encoder).encodeOptions({
    encoder: plan.encoder,
    maxBitrate: rendition.maxBitrate,
    grid: plan.grid
  }),
  ...keptTimestamps,
  ...segments(folder, cutAfter(plan))
]

const audioOutput = (plan: TranscodePlan, rendition: AudioRendition, position: number, folder: string) => [
  "-map",
  `[a${position}]`,
  "-c:a",
  "aac",
  "-b:a",
  `${rendition.bitrate}k`,
  "-ac",
  String(rendition.channels),
  ...segments(folder, segmentSeconds(plan.grid))
]

const quiet = ["-nostdin", "-hide_banner", "-v", "warning", "-y"]

/** `folderOf` gives each rendition's folder, which must exist. */
export const transcodeArguments = (
  plan: TranscodePlan,
  paths: { readonly source: string; folderOf(rendition: string): string }
): ReadonlyArray<string> => [
  ...quiet,
  "-progress",
  "pipe:1",
  "-stats_period",
  "0.5",
  ...inputOptions(paths.source),
  "-filter_complex",
  [...videoGraph(plan), ...audioGraph(plan)].join(";"),
  ...plan.video.flatMap((rendition, position) =>
    videoOutput(plan, rendition, position, paths.folderOf(rendition.name))
  ),
  ...plan.audio.flatMap((rendition, position) => audioOutput(plan, rendition, position, paths.folderOf(rendition.name)))
]

/** Early enough that nothing is given away, late enough to be past a black start. */
const posterAt = (plan: TranscodePlan) => Math.min(plan.duration * 0.2, 30)

/** The most typical of the next pictures, so that a cut or a flash is not chosen. */
export const posterArguments = (
  plan: TranscodePlan,
  paths: { readonly source: string; readonly poster: string }
): ReadonlyArray<string> => {
  const [top] = plan.video
  const size = plan.video.find((rendition) => rendition.height <= 720 || rendition.width <= 720) ?? top
  return [
    ...quiet,
    "-ss",
    posterAt(plan).toFixed(3),
    ...inputOptions(paths.source),
    "-filter_complex",
    `[0:${plan.videoStream}]thumbnail=n=24${size === undefined ? "" : `,${scale(size)}`}${
      plan.normalisation.toneMapFrom === "sdr" ? "" : `,${toneMap.join(",")}`
    },format=yuvj420p[poster]`,
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

/** A fifth of a second of moving test picture through the very options that jobs will use. */
export const trialArguments = (plan: Pick<TranscodePlan, "encoder" | "grid">): ReadonlyArray<string> => [
  ...quiet,
  "-f",
  "lavfi",
  "-i",
  "testsrc2=size=640x360:rate=30:duration=0.2",
  "-c:v",
  plan.encoder.name,
  ...backendOf(plan.encoder).encodeOptions({ encoder: plan.encoder, maxBitrate: 1000, grid: plan.grid }),
  "-f",
  "null",
  "-"
]
