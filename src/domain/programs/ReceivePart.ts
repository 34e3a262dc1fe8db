/** From a worker's upload of one file to its registration. */
import { Effect, Option, type Stream } from "effect"
import type { Sha256 } from "../ids.ts"
import type { RenditionName } from "../media/Rendition.ts"
import type { SourcePrefix } from "../media/Segment.ts"
import type { Holder, Subject } from "../ports/JobStore.ts"
import { FileConflict, JobStore } from "../ports/JobStore.ts"
import { BytesMismatch, MediaStore } from "../ports/MediaStore.ts"
import { SegmentInspector } from "../ports/SegmentInspector.ts"

/**
 * The lease is looked at before any byte is read, to spare a fenced-off worker the transfer, and tested again by the
 * statement that registers: what arrives after the task changed hands stays in a folder that nobody publishes.
 */
export const receivePart = Effect.fn("receivePart")(function* <E>(
  subject: Subject,
  holder: Holder,
  part: {
    readonly rendition: RenditionName
    readonly name: string
    readonly sha256: Sha256
    readonly prefix: SourcePrefix | undefined
    readonly maxBytes: number
    readonly body: Stream.Stream<Uint8Array, E>
  }
) {
  const jobs = yield* JobStore
  const media = yield* MediaStore
  const inspector = yield* SegmentInspector
  const { leaseId } = yield* jobs.held(subject, holder)

  const before = yield* jobs.registered(leaseId, part)
  if (Option.isSome(before)) {
    if (before.value.sha256 === part.sha256) return { written: false, bytes: before.value.bytes }
    return yield* new FileConflict({ path: `${part.rendition}/${part.name}` })
  }

  const received = yield* media.receive(part.body, { maxBytes: part.maxBytes })
  if (received.sha256 !== part.sha256) {
    return yield* new BytesMismatch({ expected: `sha256 ${part.sha256}`, received: `sha256 ${received.sha256}` })
  }
  const facts = yield* inspector.inspect({ name: part.name, path: received.path })
  yield* media.placePart(received, leaseId)
  yield* jobs.register(subject, holder, {
    rendition: part.rendition,
    name: part.name,
    bytes: received.bytes,
    sha256: received.sha256,
    ...(part.prefix === undefined ? {} : { prefix: part.prefix }),
    facts
  })
  return { written: true, bytes: received.bytes }
}, Effect.scoped)
