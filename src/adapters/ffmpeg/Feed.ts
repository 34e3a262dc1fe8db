/** Gives ffmpeg a source from the disk as it arrives there: a slow encoder holds up neither the download nor memory. */
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { open } from "node:fs/promises"
import { Sha256 } from "../../domain/ids.ts"
import type { ArrivingSource } from "../../domain/media/ArrivingSource.ts"
import type { SourcePrefix } from "../../domain/media/Segment.ts"
import { TranscodeFailed } from "../../domain/ports/Transcoder.ts"
import type { Handle } from "../process/Subprocess.ts"

const chunkBytes = 256 * 1024

const notTheSource = (problem: string) => new TranscodeFailed({ reason: "source", problem, details: "" })

export const makeFeed = (source: ArrivingSource) => {
  let waits = false
  /** Of what ffmpeg was given, and before it was. */
  const hash = createHash("sha256")
  let position = 0

  /** Ends with the last byte of the source, also where ffmpeg had enough before it: what it was given is judged whole. */
  const into = Effect.fnUntraced(function* (child: Handle) {
    const file = yield* Effect.acquireRelease(
      Effect.promise(() => open(source.path, "r")),
      (file) => Effect.promise(() => file.close())
    )
    while (position < source.bytes) {
      waits = true
      const arrived = yield* source.beyond(position)
      waits = false
      const length = Math.min(chunkBytes, arrived - position)
      const chunk = yield* Effect.promise(async () => {
        const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, position)
        return buffer.subarray(0, bytesRead)
      })
      if (chunk.length === 0) return yield* notTheSource(`The source ends after ${position} of ${source.bytes} bytes`)
      hash.update(chunk)
      position += chunk.length
      yield* child.write(chunk)
    }
    yield* child.endInput
    // A server that starts anew in the middle may not send what it sent before.
    if (hash.copy().digest("hex") !== source.sha256)
      return yield* notTheSource("What ffmpeg was given is not the source")
  }, Effect.scoped)

  return {
    into,
    /** What it has been given at most. */
    given: (): SourcePrefix => ({ bytes: position, sha256: Sha256.make(hash.copy().digest("hex")) }),
    /** The encoder has nothing to do because nothing arrives. */
    waits: () => waits
  }
}
