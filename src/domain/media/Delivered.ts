/**
 * Files of a worker that speaks the older protocol: it names them itself, muxes sound and pictures into one rendition,
 * and brings the media playlists along.
 */
import { Schema } from "effect"
import { Sha256 } from "../ids.ts"

/**
 * Below the folder of a video: `720p/seg_0000.m4s`, `original_0000.ts`, `master.m3u8`. Nothing that this does not allow
 * is ever joined to a path.
 */
export const DeliveredPath = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^(?:[a-z0-9][a-z0-9-]{0,31}\/)?[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.(?:m3u8|mpd|mp4|m4s|ts|jpg|vtt)$/)
  ),
  Schema.brand("DeliveredPath")
)
export type DeliveredPath = typeof DeliveredPath.Type

/** A track of an init segment; `width` and `height` are null for sound. */
export const MuxedTrack = Schema.Struct({
  id: Schema.Int,
  codecs: Schema.String,
  timescale: Schema.Int,
  width: Schema.NullOr(Schema.Int),
  height: Schema.NullOr(Schema.Int)
})
export interface MuxedTrack extends Schema.Schema.Type<typeof MuxedTrack> {}

const MuxedInit = Schema.TaggedStruct("MuxedInit", { tracks: Schema.NonEmptyArray(MuxedTrack) })

const MuxedSegment = Schema.TaggedStruct("MuxedSegment", {
  tracks: Schema.NonEmptyArray(
    Schema.Struct({
      id: Schema.Int,
      decodeTime: Schema.Int,
      duration: Schema.Int,
      samples: Schema.Int,
      startsWithKeyframe: Schema.Boolean
    })
  )
})

/** A media playlist: what it lists, relative to its own folder, and whether it says that it is complete. */
export const MediaPlaylist = Schema.TaggedStruct("MediaPlaylist", {
  init: Schema.NullOr(Schema.String),
  segments: Schema.Array(Schema.Struct({ uri: Schema.String, seconds: Schema.Finite })),
  ended: Schema.Boolean
})
export interface MediaPlaylist extends Schema.Schema.Type<typeof MediaPlaylist> {}

/** `Other`: a picture, captions, or a master playlist or manifest, of which we write our own. */
export const DeliveredFacts = Schema.Union([
  MuxedInit,
  MuxedSegment,
  MediaPlaylist,
  Schema.TaggedStruct("TransportStream", {}),
  Schema.TaggedStruct("Other", {})
])
export type DeliveredFacts = typeof DeliveredFacts.Type

export const DeliveredFile = Schema.Struct({
  path: DeliveredPath,
  bytes: Schema.Int,
  sha256: Sha256,
  facts: DeliveredFacts
})
export interface DeliveredFile extends Schema.Schema.Type<typeof DeliveredFile> {}

export const thumbnailPath = DeliveredPath.make("thumbnail.jpg")
