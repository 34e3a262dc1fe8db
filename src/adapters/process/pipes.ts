/** What is written to a child and read from it. */
import type { Readable, Writable } from "node:stream"
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Stream } from "effect"

/** Resolves when there is room for more, or when nobody will ever read it. */
export async function writeTo(writable: Writable | undefined, chunk: string | Uint8Array): Promise<void> {
  if (writable === undefined || !writable.writable) return
  if (writable.write(chunk)) return
  await new Promise<void>((done) => {
    const settle = () => {
      writable.off("drain", settle).off("close", settle)
      done()
    }
    writable.once("drain", settle).once("close", settle)
  })
}

export function bytesOf(readable: Readable | undefined): Stream.Stream<Uint8Array> {
  if (readable === undefined) return Stream.empty
  return NodeStream.fromReadable({ evaluate: () => readable }).pipe(
    // Only closing it from this side, on the way out, makes a pipe fail.
    Stream.catch(() => Stream.empty)
  )
}

export function linesOf(readable: Readable | undefined): Stream.Stream<string> {
  return bytesOf(readable).pipe(Stream.decodeText, Stream.splitLines)
}
