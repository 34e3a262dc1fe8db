/** ffmpeg's arguments for a plan: one decode, each rung scaled from the one above, sound once. */
import { join } from "node:path"
import type { Encoder } from "../../domain/media/Encoder.ts"
import * as FrameRate from "../../domain/media/FrameRate.ts"
import type { AudioRendition, VideoRendition } from "../../domain/media/Rendition.ts"
import { RenditionName } from "../../domain/media/Rendition.ts"
import { initName, segmentPattern } from "../../domain/media/Segment.ts"
import * as SegmentGrid from "../../domain/media/SegmentGrid.ts"
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
 * Timestamps start at zero before `fps` puts them on the grid, or the phase of a source that starts at 21 ms would
 * double a picture. Both filters only look at times, so that they work wherever the picture lies.
 */
const onGrid = (plan: TranscodePlan): ReadonlyArray<string> => [
  "setpts=PTS-STARTPTS",
  `fps=${FrameRate.format(plan.grid.frameRate)}`
]

/** 8 bit 4:2:0, in the order of planes that whoever takes it next works with. */
const inMemory = (plan: TranscodePlan) => (backendOf(plan.encoder).hardware === undefined ? "yuv420p" : "nv12")

/** Decoded pictures to the top rung, in the processor's memory. */
const pictures = (plan: TranscodePlan, top: VideoRendition): ReadonlyArray<string> => {
  const { deinterlace, fullRange, holdLastPicture, toneMapFrom } = plan.normalisation
  return [
    ...(deinterlace ? ["bwdif=mode=send_frame:deint=all"] : []),
    ...onGrid(plan),
    ...(holdLastPicture > 0 ? [`tpad=stop_mode=clone:stop_duration=${holdLastPicture.toFixed(6)}`] : []),
    scale(top, fullRange ? ":in_range=full:out_range=tv" : ""),
    ...(toneMapFrom === "sdr" ? [] : toneMap),
    `format=${inMemory(plan)}`
  ]
}

/** Filters from the decoder to the top rung, from a rung to the next smaller one, and from a rung to its encoder. */
interface Route {
  readonly top: ReadonlyArray<string>
  lower(rendition: VideoRendition): string
  readonly encode: ReadonlyArray<string>
}

const scalesOnDevice = (plan: TranscodePlan) =>
  plan.encoder.pipeline === "device" ? backendOf(plan.encoder).hardware : undefined

/** A device decodes only what it may also scale: anything that needs the processor's filters is decoded there. */
const decodesOnDevice = (plan: TranscodePlan) => (plan.normalisation.scalingOnly ? scalesOnDevice(plan) : undefined)

const route = (plan: TranscodePlan, top: VideoRendition): Route => {
  const { hardware } = backendOf(plan.encoder)
  const device = scalesOnDevice(plan)
  if (device === undefined) {
    const upload = hardware === undefined || hardware.uploadsByItself ? [] : [hardware.upload]
    return { top: pictures(plan, top), lower: (rendition) => scale(rendition), encode: upload }
  }
  const scaleThere = (rendition: VideoRendition) => `${device.scale(rendition)},setsar=1`
  return {
    // What the device could not decode comes from the processor, so that either kind of picture is let in.
    top: plan.normalisation.scalingOnly
      ? [...onGrid(plan), `format=${inMemory(plan)}|${device.surface}`, device.upload, scaleThere(top)]
      : [...pictures(plan, top), device.upload],
    lower: scaleThere,
    encode: []
  }
}

/** Each rung is made from the next larger one: as sharp as from the source, and cheaper. */
const videoGraph = (plan: TranscodePlan): ReadonlyArray<string> => {
  const [top, ...lower] = plan.video
  if (top === undefined) return []
  const way = route(plan, top)
  const last = plan.video.length - 1
  const upload = way.encode.join(",")
  const outlet = (position: number) => {
    if (upload === "") return position === last ? `[v${position}]` : `,split=2[v${position}][s${position}]`
    return position === last
      ? `,${upload}[v${position}]`
      : `,split=2[m${position}][s${position}];[m${position}]${upload}[v${position}]`
  }
  return [
    `[0:${plan.videoStream}]${way.top.join(",")}${outlet(0)}`,
    ...lower.map((rendition, index) => `[s${index}]${way.lower(rendition)}${outlet(index + 1)}`)
  ]
}

/** Sound is moved with the pictures, holes in it become silence, and it ends when they end. */
const sounds = (plan: TranscodePlan, rendition: AudioRendition): string => {
  const end = plan.duration.toFixed(6)
  return `[0:${rendition.stream}]asetpts=PTS-(${plan.videoStart.toFixed(6)})/TB,aresample=48000:async=1000:first_pts=0,apad=whole_dur=${end},atrim=end=${end}`
}

/**
 * Beside pictures no packet of sound may come before time zero, as the encoder's run-up of 1024 samples does: so many
 * are left out, and the run-up takes their place.
 */
const audioGraph = ({ sound, ...plan }: TranscodePlan): ReadonlyArray<string> =>
  sound === undefined
    ? plan.audio.map((rendition, position) => `${sounds(plan, rendition)}[a${position}]`)
    : [
        `${sounds(plan, sound)},atrim=start_sample=1024,asplit=${plan.video.length}` +
          plan.video.map((_, position) => `[a${position}]`).join("")
      ]

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
const cutAfter = (plan: TranscodePlan) => SegmentGrid.segmentSeconds(plan.grid) - 0.001

/**
 * Without it the muxer moves the first part of a video by the delay of its B-frames and later parts not. Sound keeps
 * the default: its first packet has a negative time, the encoder's run-up, that a segment cannot hold.
 */
const keptTimestamps = ["-avoid_negative_ts", "disabled"]

const encoded = (plan: TranscodePlan, rendition: VideoRendition, position: number) => [
  "-map",
  `[v${position}]`,
  "-frames:v",
  String(plan.frames),
  "-c:v",
  plan.encoder.name,
  ...backendOf(plan.encoder).encodeOptions({
    encoder: plan.encoder,
    maxBitrate: rendition.maxBitrate,
    grid: plan.grid,
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

const videoOutput = (plan: TranscodePlan, rendition: VideoRendition, position: number, folder: string) => [
  ...encoded(plan, rendition, position),
  ...(plan.sound === undefined ? [] : encodedSound(plan.sound, position)),
  ...keptTimestamps,
  ...segments(folder, cutAfter(plan))
]

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

/** Of the filters, and of the decoder: both take all processors otherwise, whatever this container has the time of. */
const threadOptions = ({ threads }: TranscodePlan): ReadonlyArray<string> =>
  threads === null ? [] : ["-filter_complex_threads", String(threads), "-threads", String(threads)]

/** Added to the environment of an ffmpeg that uses an encoder. */
export const environmentFor = (encoder: Encoder): Readonly<Record<string, string>> =>
  backendOf(encoder).hardware?.environment ?? {}

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
  ...deviceOptions(plan),
  ...threadOptions(plan),
  ...inputOptions(paths.source),
  "-filter_complex",
  [...videoGraph(plan), ...audioGraph(plan)].join(";"),
  ...plan.video.flatMap((rendition, position) =>
    videoOutput(plan, rendition, position, paths.folderOf(rendition.name))
  ),
  ...plan.audio.flatMap((rendition, position) => audioOutput(plan, rendition, position, paths.folderOf(rendition.name)))
]

/** Early enough that nothing is given away, late enough to be past a black start. */
export const posterAt = (plan: TranscodePlan) => Math.min(plan.duration * 0.2, 30)

/** The most typical of the pictures that begin after `at` seconds, so that a cut or a flash is not chosen. */
export const posterArguments = (
  plan: TranscodePlan,
  paths: { readonly source: string; readonly poster: string },
  at: number
): ReadonlyArray<string> => {
  const [top] = plan.video
  const size = plan.video.find((rendition) => rendition.height <= 720 || rendition.width <= 720) ?? top
  return [
    ...quiet,
    "-ss",
    at.toFixed(3),
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

/** Two small rungs of the least that shows whether an encoder works: 256 lines, because some devices refuse less. */
const trialPlan = (encoder: Encoder): TranscodePlan => {
  const grid = SegmentGrid.make(FrameRate.make(30))
  const frames = 8
  const rung = (name: string, width: number, height: number) => ({
    name: RenditionName.make(name),
    width,
    height,
    maxBitrate: 1000
  })
  return {
    videoStream: 0,
    videoStart: 0,
    frames,
    duration: FrameRate.seconds(grid.frameRate, frames),
    grid,
    normalisation: {
      deinterlace: false,
      toneMapFrom: "sdr",
      fullRange: false,
      holdLastPicture: 0,
      scalingOnly: true
    },
    encoder,
    threads: null,
    video: [rung("360p", 640, 360), rung("256p", 456, 256)],
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
