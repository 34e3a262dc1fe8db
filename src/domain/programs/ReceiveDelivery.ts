/** From uploads of a worker of the older protocol, one by one or many in an archive, to their registration. */
import { Effect, type Scope, Stream } from "effect"
import type { Sha256 } from "../ids.ts"
import type { DeliveredFile, DeliveredPath } from "../media/Delivered.ts"
import { DeliveryStore } from "../ports/DeliveryStore.ts"
import type { Holder, Subject } from "../ports/JobStore.ts"
import { JobStore } from "../ports/JobStore.ts"
import { BytesMismatch, MediaStore, type Received } from "../ports/MediaStore.ts"
import { SegmentInspector } from "../ports/SegmentInspector.ts"

/** A file on its way: its body can be read once, before the next one is asked for. */
export interface Arriving<E> {
  readonly path: DeliveredPath
  readonly body: Stream.Stream<Uint8Array, E>
}

const inspected = Effect.fnUntraced(function* (path: DeliveredPath, received: Received) {
  const inspector = yield* SegmentInspector
  const facts = yield* inspector.inspectDelivered({ path, at: received.path })
  return { path, bytes: received.bytes, sha256: received.sha256, facts } satisfies DeliveredFile
})

/**
 * The files of an archive are noted together when the last of them has arrived: a broken archive leaves nothing but
 * bytes that nobody refers to.
 */
export const receiveArchive = Effect.fn("receiveArchive")(function* <E, R>(
  subject: Subject,
  holder: Holder,
  options: { readonly maxFileBytes: number; readonly members: Stream.Stream<Arriving<E>, E, R | Scope.Scope> }
) {
  const jobs = yield* JobStore
  const media = yield* MediaStore
  const deliveries = yield* DeliveryStore
  const { leaseId } = yield* jobs.held(subject, holder)
  const files: Array<DeliveredFile> = []
  yield* Stream.runForEach(options.members, ({ body, path }) =>
    Effect.gen(function* () {
      const received = yield* media.receive(body, { maxBytes: options.maxFileBytes })
      files.push(yield* inspected(path, received))
      yield* media.placePart(received, leaseId)
    }).pipe(Effect.scoped)
  )
  if (files.length > 0) yield* deliveries.put(subject, holder, files)
  return files.length
}, Effect.scoped)

/** A file that is here already with the same content is not written again. */
export const receiveDelivered = Effect.fn("receiveDelivered")(function* <E>(
  subject: Subject,
  holder: Holder,
  file: Arriving<E> & { readonly sha256: Sha256; readonly maxBytes: number }
) {
  const jobs = yield* JobStore
  const media = yield* MediaStore
  const deliveries = yield* DeliveryStore
  const { leaseId } = yield* jobs.held(subject, holder)
  const received = yield* media.receive(file.body, { maxBytes: file.maxBytes })
  if (received.sha256 !== file.sha256) {
    return yield* new BytesMismatch({ expected: `sha256 ${file.sha256}`, received: `sha256 ${received.sha256}` })
  }
  const delivered = yield* inspected(file.path, received)
  if ((yield* deliveries.sha256(leaseId, file.path)) === received.sha256)
    return { written: false, bytes: received.bytes }
  yield* media.placePart(received, leaseId)
  yield* deliveries.put(subject, holder, [delivered])
  return { written: true, bytes: received.bytes }
}, Effect.scoped)
