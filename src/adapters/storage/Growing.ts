/** A file that grows as a body arrives: hashed as it flows, counted, and durable when asked. */
import { Effect, Stream } from "effect"
import { createHash } from "node:crypto"
import type { FileHandle } from "node:fs/promises"
import { pipeline } from "node:stream/promises"
import { Sha256 } from "../../domain/ids.ts"
import { BytesMismatch, type MediaStoreError } from "../../domain/ports/MediaStore.ts"
import { diskError } from "./Disk.ts"

const written = async (file: FileHandle, chunks: ReadonlyArray<Uint8Array>, at: number, bytes: number) => {
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
  let bytes = offset

  const add = (chunks: ReadonlyArray<Uint8Array>, size: number) =>
    Effect.tryPromise({
      try: async () => {
        await written(file, chunks, bytes, size)
        bytes += size
      },
      catch: (cause) => diskError(path, cause)
    })

  const write = <E>(body: Stream.Stream<Uint8Array, E>, options: { readonly maxBytes: number }) =>
    Stream.runForEachArray(body, (chunks): Effect.Effect<void, BytesMismatch | MediaStoreError> => {
      let size = 0
      for (const chunk of chunks) size += chunk.length
      if (bytes - offset + size > options.maxBytes) {
        return Effect.fail(new BytesMismatch({ expected: `at most ${options.maxBytes} bytes`, received: "more" }))
      }
      if (offset === 0) for (const chunk of chunks) hash.update(chunk)
      return add(chunks, size)
    })

  const settled = Effect.suspend(() => {
    const before = bytes
    return Effect.as(
      Effect.tryPromise({ try: () => file.datasync(), catch: (cause) => diskError(path, cause) }),
      before
    )
  })

  /** What was there before was not hashed by us. The path may be another's by now. */
  const digest = Effect.tryPromise({
    try: async () => {
      if (offset === 0) return Sha256.make(hash.copy().digest("hex"))
      const again = createHash("sha256")
      await pipeline(file.createReadStream({ start: 0, autoClose: false, highWaterMark: 1024 * 1024 }), again)
      return Sha256.make(again.digest("hex"))
    },
    catch: (cause) => diskError(path, cause)
  })

  const whole = Effect.map(digest, (sha256) => ({ path, bytes, sha256 }))

  return { write, settled, whole }
}
