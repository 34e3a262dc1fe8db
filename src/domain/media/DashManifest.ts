/** A DASH manifest (ISO/IEC 23009-1, static, segment templates with timelines) of a presentation. */
import * as FrameRate from "./FrameRate.ts"
import type { AudioTrack, Presentation, Track, TrackSegment, VideoTrack } from "./Presentation.ts"
import { duration, peakBitrate, trackDuration } from "./Presentation.ts"

export const manifestName = "manifest.mpd"

/** Characters that XML 1.0 cannot carry, not even escaped: one in a file's language tag would spoil the whole manifest. */
const unknownToXml = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu

const escape = (value: string) =>
  value
    .replace(unknownToXml, "")
    .replace(/[&<>"]/g, (char) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[char] ?? char)

const attributes = (values: Readonly<Record<string, string | number>>) =>
  Object.entries(values)
    .map(([name, value]) => ` ${name}="${escape(String(value))}"`)
    .join("")

/** Runs of equal segments become one `S` with a repeat count, as the standard's `@r` allows. */
const timeline = (segments: ReadonlyArray<TrackSegment>): ReadonlyArray<string> => {
  const runs: Array<{ readonly start: number; readonly duration: number; repeat: number; end: number }> = []
  for (const segment of segments) {
    const last = runs.at(-1)
    if (last !== undefined && last.duration === segment.duration && last.end === segment.decodeTime) {
      last.repeat += 1
      last.end += segment.duration
    } else {
      runs.push({
        start: segment.decodeTime,
        duration: segment.duration,
        repeat: 0,
        end: segment.decodeTime + segment.duration
      })
    }
  }
  return runs.map(
    (run) => `<S${attributes({ t: run.start, d: run.duration, ...(run.repeat === 0 ? {} : { r: run.repeat }) })}/>`
  )
}

const indent = (depth: number, text: ReadonlyArray<string>) => text.map((line) => `${"  ".repeat(depth)}${line}`)

/** `seg_00000.m4s` is the first of `seg_$Number%05d$.m4s`. */
const numbering = (name: string) => {
  const digits = /^seg_(\d+)\.m4s$/.exec(name)?.[1] ?? "00000"
  return { media: `$RepresentationID$/seg_$Number%0${digits.length}d$.m4s`, startNumber: Number(digits) }
}

const representation = (track: Track, own: Readonly<Record<string, string | number>>, inner: ReadonlyArray<string>) => [
  `<Representation${attributes({ id: track.name, bandwidth: peakBitrate(track), codecs: track.codecs, ...own })}>`,
  ...indent(1, inner),
  ...indent(1, [
    `<SegmentTemplate${attributes({
      timescale: track.timescale,
      initialization: `$RepresentationID$/${track.init}`,
      ...numbering(track.segments[0].name)
    })}>`,
    "  <SegmentTimeline>",
    ...indent(2, timeline(track.segments)),
    "  </SegmentTimeline>",
    "</SegmentTemplate>"
  ]),
  "</Representation>"
]

const videoSet = (tracks: ReadonlyArray<VideoTrack>, id = 0) => [
  `<AdaptationSet${attributes({
    id,
    contentType: "video",
    mimeType: "video/mp4",
    segmentAlignment: "true",
    startWithSAP: 1,
    maxWidth: Math.max(...tracks.map((track) => track.width)),
    maxHeight: Math.max(...tracks.map((track) => track.height))
  })}>`,
  ...indent(
    1,
    tracks.flatMap((track) =>
      representation(
        track,
        {
          width: track.width,
          height: track.height,
          frameRate: FrameRate.format(track.frameRate),
          sar: "1:1"
        },
        []
      )
    )
  ),
  "</AdaptationSet>"
]

const audioSet = (track: AudioTrack, position: number) => [
  `<AdaptationSet${attributes({
    id: position + 1,
    contentType: "audio",
    mimeType: "audio/mp4",
    lang: track.language,
    segmentAlignment: "true",
    startWithSAP: 1
  })}>`,
  `  <Role schemeIdUri="urn:mpeg:dash:role:2011" value="${position === 0 ? "main" : "alternate"}"/>`,
  ...indent(
    1,
    representation(track, { audioSamplingRate: track.sampleRate }, [
      `<AudioChannelConfiguration schemeIdUri="urn:mpeg:dash:23003:3:audio_channel_configuration:2011" value="${track.channels}"/>`
    ])
  ),
  "</AdaptationSet>"
]

const isoSeconds = (seconds: number) => `PT${Number(seconds.toFixed(6))}S`

const document = (options: {
  readonly base: string
  readonly duration: number
  readonly video: ReadonlyArray<VideoTrack>
  readonly sets: ReadonlyArray<string>
}): string => {
  const longestSegment = Math.max(
    ...options.video.flatMap((track) => track.segments.map((segment) => segment.duration / track.timescale))
  )
  const text = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<MPD${attributes({
      xmlns: "urn:mpeg:dash:schema:mpd:2011",
      type: "static",
      profiles: "urn:mpeg:dash:profile:isoff-live:2011",
      mediaPresentationDuration: isoSeconds(options.duration),
      minBufferTime: isoSeconds(longestSegment)
    })}>`,
    `  <BaseURL>${escape(options.base)}</BaseURL>`,
    '  <Period id="0" start="PT0S">',
    ...indent(2, options.sets),
    "  </Period>",
    "</MPD>"
  ]
  return `${text.join("\n")}\n`
}

/** All renditions. `base` is the address of the renditions' folders relative to the manifest, with a slash at its end. */
export const manifest = (presentation: Presentation, base: string): string =>
  document({
    base,
    duration: duration(presentation),
    video: presentation.video,
    sets: [...videoSet(presentation.video), ...presentation.audio.flatMap(audioSet)]
  })

/**
 * Renditions that hold their own sound and are not cut at the same instants: each in a set of its own, so that no player
 * switches between them where they do not meet.
 */
export const separateManifest = (tracks: readonly [VideoTrack, ...ReadonlyArray<VideoTrack>], base: string): string =>
  document({
    base,
    duration: Math.max(...tracks.map(trackDuration)),
    video: tracks,
    sets: tracks.flatMap((track, id) => videoSet([track], id))
  })
