/** What ffprobe prints, decoded, and what it means. */
import { Schema } from "effect"
import * as FrameRate from "../../domain/media/FrameRate.ts"
import { languageOf } from "../../domain/media/Language.ts"
import type { AudioStream, Source, VideoStream } from "../../domain/media/Source.ts"

const SideData = Schema.Struct({ rotation: Schema.optionalKey(Schema.Finite) })

const Stream = Schema.Struct({
  index: Schema.Int,
  codec_type: Schema.optionalKey(Schema.String),
  codec_name: Schema.optionalKey(Schema.String),
  width: Schema.optionalKey(Schema.Int),
  height: Schema.optionalKey(Schema.Int),
  sample_aspect_ratio: Schema.optionalKey(Schema.String),
  pix_fmt: Schema.optionalKey(Schema.String),
  bits_per_raw_sample: Schema.optionalKey(Schema.String),
  field_order: Schema.optionalKey(Schema.String),
  color_range: Schema.optionalKey(Schema.String),
  color_transfer: Schema.optionalKey(Schema.String),
  color_space: Schema.optionalKey(Schema.String),
  color_primaries: Schema.optionalKey(Schema.String),
  r_frame_rate: Schema.optionalKey(Schema.String),
  avg_frame_rate: Schema.optionalKey(Schema.String),
  duration: Schema.optionalKey(Schema.FiniteFromString),
  start_time: Schema.optionalKey(Schema.FiniteFromString),
  sample_fmt: Schema.optionalKey(Schema.String),
  channels: Schema.optionalKey(Schema.Int),
  channel_layout: Schema.optionalKey(Schema.String),
  sample_rate: Schema.optionalKey(Schema.FiniteFromString),
  disposition: Schema.optionalKey(
    Schema.Struct({ attached_pic: Schema.optionalKey(Schema.Int), default: Schema.optionalKey(Schema.Int) })
  ),
  tags: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  side_data_list: Schema.optionalKey(Schema.Array(SideData))
})
interface Stream extends Schema.Schema.Type<typeof Stream> {}

export const ProbeOutput = Schema.fromJsonString(
  Schema.Struct({
    streams: Schema.Array(Stream),
    format: Schema.Struct({
      format_name: Schema.String,
      size: Schema.optionalKey(Schema.FiniteFromString),
      start_time: Schema.optionalKey(Schema.FiniteFromString),
      duration: Schema.optionalKey(Schema.FiniteFromString)
    })
  })
)
export type ProbeOutput = typeof ProbeOutput.Type

/** `-show_entries stream=...:format=...` of exactly the fields that are decoded above. */
export const probeEntries = [
  "stream=index,codec_type,codec_name,width,height,sample_aspect_ratio,pix_fmt,bits_per_raw_sample,field_order",
  ",color_range,color_transfer,color_space,color_primaries,r_frame_rate,avg_frame_rate,duration,start_time",
  ",sample_fmt,channels,channel_layout,sample_rate",
  ":stream_disposition=attached_pic,default:stream_tags:stream_side_data=rotation",
  ":format=format_name,size,start_time,duration"
].join("")

/** Presentation times of a stream's packets in seconds, in file order, and the end of the last. */
export interface PacketTimes {
  readonly times: Array<number>
  last: number
  /** When what ends at `last` begins. */
  latest: number
  /** When the first keyframe is shown; null before it, and where there is none. */
  opened: number | null
  /** When the next packet is to be decoded, if the clock goes on as it did. */
  next: number | null
}

/** What has been read so far of a packet listing. */
export interface PacketListing {
  readonly streams: Map<number, PacketTimes>
  /** The clock of a recording may start anew in it: several that were joined byte by byte, or one with a break. */
  readonly restarts: boolean
  /** Seconds that the clock was put forward or back until now, for all streams alike. */
  shift: number
}

export const emptyListing = (container: string): PacketListing => ({
  streams: new Map(),
  restarts: /\bmpeg(?:ts)?\b/.test(container),
  shift: 0
})

/** ffmpeg's limits: further forward, or more than so much back, and the clock goes on where it was. */
const farForward = 10
const farBack = 0.1

/** `stream_index,pts_time,dts_time,duration_time,flags` of each packet, as `-of csv=p=0` prints it. */
export const packetEntries = "packet=stream_index,pts_time,dts_time,duration_time,flags"

/**
 * Gathers one line of the packet listing. Packets without any time are counted at the end of the ones before. A recording
 * that begins in the middle of a group of pictures has some that nothing can be made of: those before the first keyframe,
 * and those after it that are shown before it. One that was trimmed without encoding has some that nobody is to see.
 */
export const collectPacket = (listing: PacketListing, line: string): void => {
  const { streams } = listing
  const [index = "", pts = "", dts = "", duration = "", flags = ""] = line.split(",")
  const stream = Number(index)
  if (index === "" || Number.isNaN(stream)) return
  const found = streams.get(stream) ?? { times: [], last: 0, latest: -Infinity, opened: null, next: null }
  const length = Number.parseFloat(duration)
  const [shown, decoded] = [Number.parseFloat(pts), Number.parseFloat(dts)]
  const jump = listing.restarts && found.next !== null ? decoded + listing.shift - found.next : 0
  if (jump > farForward || jump < -farBack) listing.shift -= jump
  const said = [shown, decoded].find((value) => Number.isFinite(value))
  const time = said === undefined ? found.last : said + listing.shift
  if (Number.isFinite(decoded)) found.next = decoded + listing.shift + (Number.isFinite(length) ? length : 0)
  const seen = !flags.includes("D")
  if (found.opened === null && flags.startsWith("K")) {
    found.opened = time
    found.times.length = 0
  }
  if (seen && (found.opened === null || time >= found.opened)) found.times.push(time)
  // Others say when the next is decoded, which is after a pause in which the last one before it stays to be seen.
  if (time >= found.latest) {
    found.latest = time
    found.last = time + (Number.isFinite(length) ? length : 0)
  }
  streams.set(stream, found)
}

const fraction = (text: string | undefined): FrameRate.FrameRate | null => {
  const match = /^(\d+)\/(\d+)$/.exec(text ?? "")
  const numerator = Number(match?.[1] ?? 0)
  const denominator = Number(match?.[2] ?? 0)
  return numerator > 0 && denominator > 0 ? FrameRate.make(numerator, denominator) : null
}

const aspect = (text: string | undefined): number => {
  const match = /^(\d+):(\d+)$/.exec(text ?? "")
  const ratio = Number(match?.[1] ?? 1) / Number(match?.[2] ?? 1)
  return Number.isFinite(ratio) && ratio > 0 ? ratio : 1
}

/** The display matrix turns counter-clockwise; people and players say clockwise. Odd angles are left alone. */
const rotation = (stream: Stream): VideoStream["rotation"] => {
  const degrees = stream.side_data_list?.find((data) => data.rotation !== undefined)?.rotation ?? 0
  const clockwise = ((Math.round(-degrees) % 360) + 360) % 360
  return clockwise === 90 || clockwise === 180 || clockwise === 270 ? clockwise : 0
}

const bitDepth = (stream: Stream): number => {
  const raw = Number(stream.bits_per_raw_sample)
  if (raw > 0) return raw
  return Number(/p(9|10|12|14|16)(le|be)$/.exec(stream.pix_fmt ?? "")?.[1] ?? 8)
}

const fieldOrders: Readonly<Record<string, VideoStream["fieldOrder"]>> = {
  progressive: "progressive",
  tt: "interlaced",
  bb: "interlaced",
  tb: "interlaced",
  bt: "interlaced"
}

const dynamicRanges: Readonly<Record<string, VideoStream["dynamicRange"]>> = { smpte2084: "pq", "arib-std-b67": "hlg" }

/** ffprobe's words for what nobody says, or says in a number that means nothing. */
const said = (text: string | undefined): string | null =>
  text === undefined || text === "unknown" || text === "reserved" ? null : text

/** `00:00:05.005000000`, as Matroska's muxers write it. */
const durationTag = (stream: Stream): number | null => {
  const match = /^(\d+):(\d+):(\d+(?:\.\d+)?)$/.exec(stream.tags?.["DURATION"] ?? "")
  return match === null ? null : Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3])
}

/** Every picture lies within 0.4 of a frame of where a constant rate would put it. */
const liesOnGrid = (sorted: ReadonlyArray<number>, rate: FrameRate.FrameRate): boolean => {
  const first = sorted[0] ?? 0
  const allowed = 0.4 / FrameRate.toNumber(rate)
  return sorted.every((time, frame) => Math.abs(time - first - FrameRate.seconds(rate, frame)) < allowed)
}

/** How much an interval may differ from the middle one: what cameras and whole milliseconds make of a rate. */
const jitter = 0.3

/** By so much the mean of all is higher where short and long intervals take turns, and not only where recordings meet. */
const takeTurns = 1.05

/** By the intervals that are about as long as the middle one of all, so that a pause does not slow the rest down. */
const usualRate = (sorted: ReadonlyArray<number>): FrameRate.FrameRate | null => {
  const intervals = Float64Array.from(sorted.slice(1), (time, before) => time - sorted[before]!).toSorted()
  const middle = intervals[intervals.length >> 1] ?? 0
  const usual = intervals.filter((interval) => Math.abs(interval - middle) <= jitter * middle)
  const rate = usual.length / usual.reduce((sum, interval) => sum + interval, 0)
  const mean = intervals.length / (sorted.at(-1)! - sorted[0]!)
  const higher = mean > rate * takeTurns ? mean : rate
  return Number.isFinite(higher) ? FrameRate.make(Math.round(higher * 1000), 1000) : null
}

/** Of pictures of which none could be decoded. */
export const unknownFormat = "unknown"

const fallbackRate = FrameRate.make(25)

const videoStream = (
  stream: Stream,
  packets: PacketTimes,
  format: ProbeOutput["format"],
  reached: number
): VideoStream => {
  const fileStart = format.start_time ?? 0
  const sorted = packets.times.toSorted((a, b) => a - b)
  const average = fraction(stream.avg_frame_rate) ?? fraction(stream.r_frame_rate) ?? fallbackRate
  const candidates = [fraction(stream.r_frame_rate), average].filter((rate) => rate !== null)
  const constant = sorted.length > 0 ? candidates.find((rate) => liesOnGrid(sorted, rate)) : undefined
  const nominal = constant ?? average
  const first = sorted[0] ?? 0
  const latest = sorted.at(-1) ?? 0
  const end = packets.last > latest ? packets.last : latest + FrameRate.seconds(nominal, 1)
  const start = first - fileStart
  const claimedByFormat = format.duration ?? 0
  // Matroska says when the pictures end, counted from time zero, wherever the first one lies.
  const late = Math.max(0, fileStart)
  const tag = durationTag(stream)
  const fromTag = tag === null ? null : tag - late
  const header = stream.start_time === undefined ? start : stream.start_time - fileStart
  const own = stream.duration === undefined ? fromTag : stream.duration + header
  return {
    index: stream.index,
    codec: stream.codec_name ?? "unknown",
    width: stream.width ?? 0,
    height: stream.height ?? 0,
    pixelAspect: aspect(stream.sample_aspect_ratio),
    rotation: rotation(stream),
    oriented: stream.side_data_list?.some((data) => data.rotation !== undefined) ?? false,
    nominalFrameRate: nominal,
    usualFrameRate: usualRate(sorted) ?? average,
    constantFrameRate: constant !== undefined,
    frames: sorted.length,
    start,
    duration: sorted.length === 0 ? 0 : end - first,
    // A header that only knows the whole file's length promises it for whichever stream is longest.
    promised: own ?? (reached >= claimedByFormat - 1 ? end - fileStart : claimedByFormat - late),
    pixelFormat: stream.pix_fmt ?? unknownFormat,
    bitDepth: bitDepth(stream),
    fieldOrder: fieldOrders[stream.field_order ?? ""] ?? "unknown",
    dynamicRange: dynamicRanges[stream.color_transfer ?? ""] ?? "sdr",
    colours: {
      matrix: said(stream.color_space),
      primaries: said(stream.color_primaries),
      transfer: said(stream.color_transfer)
    },
    fullRange: stream.color_range === "pc" || (stream.pix_fmt ?? "").startsWith("yuvj")
  }
}

const arrangement = ({ channel_layout: layout }: Stream): AudioStream["arrangement"] => {
  if (said(layout) === null) return "unknown"
  return layout?.startsWith("ambisonic") === true ? "sphere" : "speakers"
}

const audioStream = (stream: Stream, packets: PacketTimes, format: ProbeOutput["format"]): AudioStream => {
  const start = Math.min(...packets.times.slice(0, 8)) - (format.start_time ?? 0)
  return {
    index: stream.index,
    codec: stream.codec_name ?? "unknown",
    channels: Math.max(1, stream.channels ?? 2),
    arrangement: arrangement(stream),
    sampleRate: stream.sample_rate ?? 48000,
    language: languageOf(stream.tags?.["language"]),
    start,
    duration: packets.last - (format.start_time ?? 0) - start
  }
}

/** Cover art is a video stream of one picture, and comes first in some files. */
const isPicture = (stream: Stream, packets: Map<number, PacketTimes>): boolean =>
  stream.disposition?.attached_pic === 1 ||
  (["mjpeg", "png", "apng", "bmp", "gif", "webp"].includes(stream.codec_name ?? "") &&
    (packets.get(stream.index)?.times.length ?? 0) <= 1)

/**
 * Whether ffmpeg knows how to decode it: from version 8 on it has a name for Apple's spatial sound, and nothing that makes
 * samples of it.
 */
const isAudible = (stream: Stream): boolean =>
  stream.codec_type === "audio" && stream.codec_name !== undefined && said(stream.sample_fmt) !== null

/** The source, or null when the file has no moving pictures. `bytes` is the size of the file. */
export const toSource = (output: ProbeOutput, packets: Map<number, PacketTimes>, bytes: number): Source | null => {
  const length = (stream: Stream) => packets.get(stream.index)?.times.length ?? 0
  const moving = output.streams
    .filter((stream) => stream.codec_type === "video" && !isPicture(stream, packets) && length(stream) > 0)
    .toSorted((a, b) => (b.disposition?.default ?? 0) - (a.disposition?.default ?? 0) || length(b) - length(a))
  const [video] = moving
  if (video === undefined) return null
  const reached = Math.max(...[...packets.values()].map((stream) => stream.last))
  return {
    container: output.format.format_name,
    bytes,
    video: videoStream(video, packets.get(video.index)!, output.format, reached),
    audio: output.streams
      .filter((stream) => isAudible(stream) && length(stream) > 0)
      // The first is the one that plays unasked.
      .toSorted((a, b) => (b.disposition?.default ?? 0) - (a.disposition?.default ?? 0))
      .map((stream) => audioStream(stream, packets.get(stream.index)!, output.format))
  }
}
