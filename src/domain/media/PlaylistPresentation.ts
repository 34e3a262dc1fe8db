/** A finished output whose media playlists were written by the worker: what is known of each of its renditions. */
import { Schema } from "effect"
import { mediaName } from "./HlsPlaylist.ts"
import { Presentation } from "./Presentation.ts"
import { RenditionName } from "./Rendition.ts"

/** `playlist` lies below the publication. Codecs and frame rate are null where the files do not tell: MPEG-TS. */
export const PlaylistRendition = Schema.Struct({
  name: RenditionName,
  playlist: Schema.String,
  codecs: Schema.NullOr(Schema.String),
  width: Schema.Int,
  height: Schema.Int,
  frameRate: Schema.NullOr(Schema.Finite),
  /** Bits per second. */
  averageBitrate: Schema.Int,
  peakBitrate: Schema.Int,
  segments: Schema.Int,
  /** Seconds. */
  duration: Schema.Finite
})
export interface PlaylistRendition extends Schema.Schema.Type<typeof PlaylistRendition> {}

/** Largest first. */
export const PlaylistPresentation = Schema.Struct({ renditions: Schema.NonEmptyArray(PlaylistRendition) })
export interface PlaylistPresentation extends Schema.Schema.Type<typeof PlaylistPresentation> {}

/** What a publication shows, by whichever kind of worker. */
export const Published = Schema.Union([Presentation, PlaylistPresentation])
export type Published = typeof Published.Type

/** The renditions by name, and where below the publication their playlists lie. */
export const renditionsOf = (
  published: Published
): ReadonlyArray<{ readonly name: RenditionName; readonly playlist: string }> =>
  "renditions" in published
    ? published.renditions.map(({ name, playlist }) => ({ name, playlist }))
    : [...published.video, ...published.audio].map(({ name }) => ({ name, playlist: `${name}/${mediaName}` }))

/** MPEG-TS has HLS only. */
export const hasManifest = (published: Published): boolean =>
  !("renditions" in published) || published.renditions.some(({ codecs }) => codecs !== null)

const lines = (parts: ReadonlyArray<string>) => `${parts.join("\n")}\n`

const variantLines = (rendition: PlaylistRendition, base: string) => [
  `#EXT-X-STREAM-INF:${[
    `BANDWIDTH=${rendition.peakBitrate}`,
    `AVERAGE-BANDWIDTH=${rendition.averageBitrate}`,
    ...(rendition.codecs === null ? [] : [`CODECS="${rendition.codecs.replace(/["\r\n]/g, "")}"`]),
    `RESOLUTION=${rendition.width}x${rendition.height}`,
    ...(rendition.frameRate === null ? [] : [`FRAME-RATE=${rendition.frameRate.toFixed(3)}`])
  ].join(",")}`,
  `${base}${rendition.playlist}`
]

/**
 * The worker's own master playlist names codecs by setting, not by looking; this one says what the files hold. `base` as
 * in `HlsPlaylist.masterPlaylist`.
 */
export const masterPlaylist = (presentation: PlaylistPresentation, base: string): string =>
  lines([
    "#EXTM3U",
    `#EXT-X-VERSION:${presentation.renditions.some((rendition) => rendition.codecs !== null) ? 7 : 3}`,
    ...presentation.renditions.flatMap((rendition) => variantLines(rendition, base))
  ])
