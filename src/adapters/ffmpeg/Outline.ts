/**
 * Whether a source can be decoded in the order of its bytes, and a small file that looks to ffprobe as the whole will:
 * the first bytes, and holes for the rest. An MP4 whose index comes first tells there of every packet.
 */
import { Effect } from "effect"
import { createReadStream, createWriteStream } from "node:fs"
import { type FileHandle, open, rm, truncate } from "node:fs/promises"
import { pipeline } from "node:stream/promises"
import type { ArrivingSource } from "../../domain/media/ArrivingSource.ts"
import { ProbeUnavailable } from "../../domain/ports/MediaProbe.ts"

/** Behind the index: ffprobe decodes a first picture for what the index does not say. */
const mediaBytes = 1024 ** 2

/** The index of a day of pictures has some tens of megabytes. */
const maxIndexBytes = 128 * 1024 ** 2

const headerBytes = 16

interface Box {
  readonly type: string
  readonly end: number
}

/** At `position` of a file of `bytes`; null where there is no sensible box (ISO/IEC 14496-12 section 4.2). */
const readBox = async (file: FileHandle, position: number, bytes: number): Promise<Box | null> => {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(headerBytes), 0, headerBytes, position)
  if (bytesRead < headerBytes) return null
  const short = buffer.readUInt32BE(0)
  const size = short === 1 ? Number(buffer.readBigUInt64BE(8)) : short
  const end = position + size
  return size < 8 || end > bytes ? null : { type: buffer.toString("latin1", 4, 8), end }
}

/** Whether the index has fragments to come, of which it tells nothing. */
const isFragmented = async (file: FileHandle, index: { readonly start: number; readonly end: number }) => {
  for (let at = index.start + 8; at + headerBytes <= index.end;) {
    const box = await readBox(file, at, index.end)
    if (box === null) return false
    if (box.type === "mvex") return true
    at = box.end
  }
  return false
}

const attempt = <A>(work: () => Promise<A>) =>
  Effect.tryPromise({
    try: work,
    catch: (cause) => new ProbeUnavailable({ problem: `No outline of the source can be made: ${String(cause)}` })
  })

const waitFor = (source: ArrivingSource, bytes: number) => source.beyond(Math.min(bytes, source.bytes) - 1)

/** Where an index that comes before all media ends; null where there is none. */
const endOfIndex = Effect.fnUntraced(function* (source: ArrivingSource, file: FileHandle) {
  let at = 0
  while (at + headerBytes < source.bytes && at < maxIndexBytes) {
    yield* waitFor(source, at + headerBytes)
    const box = yield* attempt(() => readBox(file, at, source.bytes))
    if (box === null || box.type === "mdat" || box.end > maxIndexBytes) return null
    if (box.type === "moov") {
      yield* waitFor(source, box.end)
      return (yield* attempt(() => isFragmented(file, { start: at, end: box.end }))) ? null : box.end
    }
    at = box.end
  }
  return null
})

/** The path of the outline, which is gone with the scope; null where the source has none. */
export const makeOutline = Effect.fnUntraced(function* (source: ArrivingSource) {
  yield* waitFor(source, 1)
  const file = yield* Effect.acquireRelease(
    attempt(() => open(source.path, "r")),
    (file) => Effect.promise(() => file.close())
  )
  const index = yield* endOfIndex(source, file)
  if (index === null) return null
  yield* waitFor(source, index + mediaBytes)
  const path = `${source.path}.outline`
  yield* Effect.addFinalizer(() => Effect.promise(() => rm(path, { force: true })))
  yield* attempt(async () => {
    await pipeline(createReadStream(source.path, { end: index + mediaBytes - 1 }), createWriteStream(path))
    await truncate(path, source.bytes)
  })
  return path
})
