/** From what an earlier attempt at a task left to a part of the present one. */
import { Effect, Option } from "effect"
import type { Fingerprint, LeaseId } from "../ids.ts"
import type { FileDigest } from "../media/Segment.ts"
import type { Holder, Subject } from "../ports/JobStore.ts"
import { JobStore } from "../ports/JobStore.ts"
import { MediaStore } from "../ports/MediaStore.ts"

/** An attempt whose files were cleaned up since, as those of a failed job are, has left nothing. */
export const beginAttempt = Effect.fn("beginAttempt")(function* (
  subject: Subject,
  holder: Holder,
  fingerprint: Fingerprint
) {
  const jobs = yield* JobStore
  const media = yield* MediaStore
  const left = yield* jobs.begin(subject, holder, fingerprint)
  if (Option.isNone(left)) return left
  return (yield* media.hasParts(left.value.lease, left.value.files)) ? left : Option.none()
})

/** The files first: what is registered is there. Those of a lease that is refused then are in a folder that nobody publishes. */
export const adoptParts = Effect.fn("adoptParts")(function* (
  subject: Subject,
  holder: Holder,
  from: { readonly lease: LeaseId; readonly files: ReadonlyArray<FileDigest> }
) {
  const jobs = yield* JobStore
  const media = yield* MediaStore
  const { leaseId } = yield* jobs.held(subject, holder)
  yield* media.shareParts(from.lease, leaseId, from.files)
  yield* jobs.adopt(subject, holder, from)
})
