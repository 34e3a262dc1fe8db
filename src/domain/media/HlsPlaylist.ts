/** HLS playlists (RFC 8216, with the fMP4 rules of version 7) of a presentation. */
import { toNumber } from "./FrameRate.ts"
import type { AudioTrack, Presentation, Track, VideoTrack } from "./Presentation.ts"
import { averageBitrate, peakBitrate } from "./Presentation.ts"

export const masterName = "master.m3u8"
export const mediaName = "stream.m3u8"

const audioGroup = "audio"

const lines = (parts: ReadonlyArray<string>) => `${parts.join("\n")}\n`

/** Attribute values are quoted strings that hold neither quote nor line break (RFC 8216 section 4.2). */
const quoted = (value: string) => `"${value.replace(/["\r\n]/g, "")}"`

/** A whole track, in playing order. Segment addresses are relative to the playlist. */
export const mediaPlaylist = (track: Track): string => {
  const seconds = track.segments.map((segment) => segment.duration / track.timescale)
  return lines([
    "#EXTM3U",
    "#EXT-X-VERSION:7",
    `#EXT-X-TARGETDURATION:${Math.ceil(Math.max(...seconds))}`,
    "#EXT-X-MEDIA-SEQUENCE:0",
    "#EXT-X-PLAYLIST-TYPE:VOD",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    `#EXT-X-MAP:URI=${quoted(track.init)}`,
    ...track.segments.flatMap((segment, index) => [`#EXTINF:${seconds[index]!.toFixed(6)},`, segment.name]),
    "#EXT-X-ENDLIST"
  ])
}

const audioLine = (track: AudioTrack, position: number, base: string) =>
  `#EXT-X-MEDIA:${[
    "TYPE=AUDIO",
    `GROUP-ID=${quoted(audioGroup)}`,
    `NAME=${quoted(track.language === "und" ? `Audio ${position + 1}` : `${track.language} ${position + 1}`)}`,
    ...(track.language === "und" ? [] : [`LANGUAGE=${quoted(track.language)}`]),
    `DEFAULT=${position === 0 ? "YES" : "NO"}`,
    "AUTOSELECT=YES",
    `CHANNELS=${quoted(String(track.channels))}`,
    `URI=${quoted(`${base}${track.name}/${mediaName}`)}`
  ].join(",")}`

const variantLines = (track: VideoTrack, audio: ReadonlyArray<AudioTrack>, base: string) => {
  const costliest = (bitrate: (track: Track) => number) => Math.max(0, ...audio.map(bitrate))
  const codecs = [track.codecs, ...new Set(audio.map((sound) => sound.codecs))].join(",")
  return [
    `#EXT-X-STREAM-INF:${[
      `BANDWIDTH=${peakBitrate(track) + costliest(peakBitrate)}`,
      `AVERAGE-BANDWIDTH=${averageBitrate(track) + costliest(averageBitrate)}`,
      `CODECS=${quoted(codecs)}`,
      `RESOLUTION=${track.width}x${track.height}`,
      `FRAME-RATE=${toNumber(track.frameRate).toFixed(3)}`,
      "VIDEO-RANGE=SDR",
      ...(audio.length === 0 ? [] : [`AUDIO=${quoted(audioGroup)}`])
    ].join(",")}`,
    `${base}${track.name}/${mediaName}`
  ]
}

/** All renditions. `base` is put before each address: where the renditions' folders lie, with a slash at its end. */
export const masterPlaylist = (presentation: Presentation, base: string): string =>
  lines([
    "#EXTM3U",
    "#EXT-X-VERSION:7",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    ...presentation.audio.map((track, position) => audioLine(track, position, base)),
    ...presentation.video.flatMap((track) => variantLines(track, presentation.audio, base))
  ])
