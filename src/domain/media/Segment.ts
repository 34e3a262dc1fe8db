/** A file of a rendition, and what its boxes say. */
import { Schema } from "effect"
import { Sha256 } from "../ids.ts"
import { RenditionName } from "./Rendition.ts"

export const initName = "init.mp4"
export const segmentName = (index: number): string => `seg_${String(index).padStart(5, "0")}.m4s`
export const segmentPattern = "seg_%05d.m4s"

/**
 * The number in a media segment's name, or null for any other file. A number written with more zeros than it needs is
 * another file: DASH players make the name from the number.
 */
export const segmentIndex = (name: string): number | null => {
  const digits = /^seg_(\d{5,})\.m4s$/.exec(name)?.[1]
  return digits !== undefined && name === segmentName(Number(digits)) ? Number(digits) : null
}

/** From `moov` (ISO/IEC 14496-12): `codecs` is the RFC 6381 string, times are in units of 1/`timescale` s. */
export const VideoInit = Schema.TaggedStruct("VideoInit", {
  codecs: Schema.String,
  timescale: Schema.Int,
  width: Schema.Int,
  height: Schema.Int
})
export interface VideoInit extends Schema.Schema.Type<typeof VideoInit> {}

export const AudioInit = Schema.TaggedStruct("AudioInit", {
  codecs: Schema.String,
  timescale: Schema.Int,
  sampleRate: Schema.Int,
  channels: Schema.Int
})
export interface AudioInit extends Schema.Schema.Type<typeof AudioInit> {}

/** From `moof`: when it starts (`tfdt`), how long it lasts and how many samples it holds (`trun`). */
export const MediaSegment = Schema.TaggedStruct("MediaSegment", {
  decodeTime: Schema.Int,
  duration: Schema.Int,
  samples: Schema.Int,
  startsWithKeyframe: Schema.Boolean
})
export interface MediaSegment extends Schema.Schema.Type<typeof MediaSegment> {}

/** A file that is not read by a player's buffer: the poster picture. */
const Attachment = Schema.TaggedStruct("Attachment", {})

export const SegmentFacts = Schema.Union([VideoInit, AudioInit, MediaSegment, Attachment])
export type SegmentFacts = typeof SegmentFacts.Type

/** Names a file of an attempt and its exact bytes. */
export const FileDigest = Schema.Struct({
  rendition: RenditionName,
  name: Schema.String,
  bytes: Schema.Int,
  sha256: Sha256
})
export interface FileDigest extends Schema.Schema.Type<typeof FileDigest> {}

/** The first bytes of a source: more than was read of it when something was made, or just that. */
export const SourcePrefix = Schema.Struct({
  bytes: Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0))),
  sha256: Sha256
})
export interface SourcePrefix extends Schema.Schema.Type<typeof SourcePrefix> {}

/** What the file was made of. Where nothing is said, nobody can tell whether it fits a source. */
const madeOf = { prefix: Schema.optionalKey(SourcePrefix) }

/** A file as a worker sends it. */
export const MadeFile = Schema.Struct({ ...FileDigest.fields, ...madeOf })
export interface MadeFile extends Schema.Schema.Type<typeof MadeFile> {}

/** A file that the server holds, has hashed and has looked into. */
export const RegisteredFile = Schema.Struct({ ...FileDigest.fields, ...madeOf, facts: SegmentFacts })
export interface RegisteredFile extends Schema.Schema.Type<typeof RegisteredFile> {}

/** The poster travels like a rendition of its own, so that one way of uploading serves all. */
export const posterRendition = RenditionName.make("poster")
export const posterName = "poster.jpg"
