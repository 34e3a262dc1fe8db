/** The names by which things are known, each its own type so that none is taken for another. */
import { Schema } from "effect"

/** What the store counts up has 31 bits: a larger number names nothing. */
const Numbered = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 - 1 })))

export const VideoId = Numbered.pipe(Schema.brand("VideoId"))
export type VideoId = typeof VideoId.Type

export const JobId = Numbered.pipe(Schema.brand("JobId"))
export type JobId = typeof JobId.Type

export const TaskId = Numbered.pipe(Schema.brand("TaskId"))
export type TaskId = typeof TaskId.Type

/** Names one attempt's right to work. Random, never a counter: counters travel back in time with a restored backup. */
export const LeaseId = Schema.String.pipe(Schema.check(Schema.isUUID()), Schema.brand("LeaseId"))
export type LeaseId = typeof LeaseId.Type

export const WorkerId = Schema.String.pipe(Schema.check(Schema.isUUID()), Schema.brand("WorkerId"))
export type WorkerId = typeof WorkerId.Type

export const UploadId = Schema.String.pipe(Schema.check(Schema.isUUID()), Schema.brand("UploadId"))
export type UploadId = typeof UploadId.Type

/** Names the bytes of an upload that are there so far, and the right to add to them. Random, as leases are. */
export const ArrivingId = Schema.String.pipe(Schema.check(Schema.isUUID()), Schema.brand("ArrivingId"))
export type ArrivingId = typeof ArrivingId.Type

/** Lower-case hexadecimal SHA-256 of a file's bytes. */
export const Sha256 = Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/)), Schema.brand("Sha256"))
export type Sha256 = typeof Sha256.Type

/** Lower-case hexadecimal SHA-256 over whatever decides what an encoder makes of a source: parts of one name fit together. */
export const Fingerprint = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/)),
  Schema.brand("Fingerprint")
)
export type Fingerprint = typeof Fingerprint.Type
