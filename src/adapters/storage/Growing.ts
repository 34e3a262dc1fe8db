/** A file that grows as a body arrives: hashed as it flows, counted, and durable when asked. */
import { Effect, Stream } from "effect"
import { createHash } from "node:crypto"
import type { FileHandle } from "node:fs/promises"
import { pipeline } from "node:stream/promises"
import { Sha256 } from "../../domain/ids.ts"
import { BytesMismatch, type MediaStoreError } from "../../domain/ports/MediaStore.ts"
import { diskError } from "./Disk.ts"

/** So much may wait for the disk while more arrives. */
const mostQueued = 1024 * 1024

const writeAll = async (file: FileHandle, chunks: ReadonlyArray<Uint8Array>, at: number, bytes: number) => {
  const { bytesWritten } = await file.writev(chunks, at)
  if (bytesWritten === bytes) return
  // A disk that takes only a part of it is about to say why.
  const rest = Buffer.concat(chunks).subarray(bytesWritten)
  for (let done = 0; done < rest.length;) {
    done += (await file.write(rest, done, rest.length - done, at + bytesWritten + done)).bytesWritten
  }
}

export const growing = (file: FileHandle, path: string, offset: number) => {
  const hash = createHash("sha256")
  /** On the disk, if not durable. */
  let written = offset
  let queued: Array<Uint8Array> = []
  let queuedBytes = 0
  let writing: Promise<void> | undefined

  const onDisk = <A>(work: () => Promise<A>) =>
    Effect.tryPromise({ try: work, catch: (cause) => diskError(path, cause) })

  /** What arrives while the disk is busy goes there together. */
  const drain = async () => {
    while (queued.length > 0) {
      const [chunks, bytes] = [queued, queuedBytes]
      queued = []
      queuedBytes = 0
      await writeAll(file, chunks, written, bytes)
      written += bytes
    }
    writing = undefined
  }

  const drained = Effect.suspend(() => (writing === undefined ? Effect.void : onDisk(() => writing!)))

  const write = <E>(body: Stream.Stream<Uint8Array, E>, options: { readonly maxBytes: number }) => {
    let bytes = 0
    return Stream.runForEachArray(body, (chunks): Effect.Effect<void, BytesMismatch | MediaStoreError> => {
      let more = 0
      for (const chunk of chunks) more += chunk.length
      bytes += more
      if (bytes > options.maxBytes) {
        return Effect.fail(new BytesMismatch({ expected: `at most ${options.maxBytes} bytes`, received: "more" }))
      }
      if (offset === 0) for (const chunk of chunks) hash.update(chunk)
      queued.push(...chunks)
      queuedBytes += more
      writing ??= drain()
      // Nobody may be waiting for it when it fails; whoever waits next is told.
      writing.catch(() => {})
      return queuedBytes < mostQueued ? Effect.void : drained
    }).pipe(
      // Whatever arrived is kept, and nothing is written after this, however it ends.
      Effect.onExit(() => drained)
    )
  }

  const settled = Effect.suspend(() => {
    const before = written
    return Effect.as(
      onDisk(() => file.datasync()),
      before
    )
  })

  /** What was there before was not hashed by us. The path may be another's by now. */
  const digest = onDisk(async () => {
    if (offset === 0) return Sha256.make(hash.copy().digest("hex"))
    const again = createHash("sha256")
    await pipeline(file.createReadStream({ start: 0, autoClose: false, highWaterMark: mostQueued }), again)
    return Sha256.make(again.digest("hex"))
  })

  const whole = Effect.map(digest, (sha256) => ({ path, bytes: written, sha256 }))

  return { write, settled, whole }
}
