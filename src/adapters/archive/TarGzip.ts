/** ArchiveReader for gzip-compressed tar, PAX or ustar, member by member as it arrives: nothing is spooled. */
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Effect, Layer, Stream } from "effect"
import { pipeline } from "node:stream/promises"
import { createGunzip, type Gunzip } from "node:zlib"
import { type Extract, extract } from "tar-stream"
import {
  type ArchiveLimits,
  type ArchiveMember,
  ArchiveReader,
  ArchiveRefused
} from "../../domain/ports/ArchiveReader.ts"
import { codeOf } from "../process/causes.ts"

/** Video does not shrink: what unpacks to this many times its size, beyond the first bytes, was made to fill a disk. */
const maxRatio = 100
const ratioCountsFrom = 32 * 1024 * 1024

/** Headers and padding that an archive may have beside its files, for each member that it may have. */
const overheadOfMember = 8 * 1024

type Entry = Extract extends AsyncIterable<infer Member> ? Member : never

const refused = (problem: string) => new ArchiveRefused({ problem })

/** A name from outside, fit for a log and an answer. */
const shown = (name: string) => JSON.stringify(name.slice(0, 200)).slice(1, -1)

/** Counts what comes out of the decompressor, whatever the headers inside say. */
const bounded = (gunzip: Gunzip, limits: ArchiveLimits) =>
  async function* (unpacked: AsyncIterable<Buffer>) {
    let bytes = 0
    for await (const chunk of unpacked) {
      bytes += chunk.length
      if (bytes > limits.maxBytes + (limits.maxFiles + 3) * overheadOfMember) {
        throw refused(`Archive too large (limit: ${limits.maxBytes} bytes)`)
      }
      if (bytes > ratioCountsFrom && bytes > maxRatio * gunzip.bytesWritten) {
        throw refused("Invalid archive: it unpacks to far more than video would")
      }
      yield chunk
    }
  }

const linkKinds: ReadonlySet<unknown> = new Set(["link", "symlink"])

/** Judges a header before a byte of its member is read; null for a member that is passed over. */
const judge = (limits: ArchiveLimits) => {
  let files = 0
  let total = 0
  return ({ header }: Entry): ArchiveRefused | null => {
    const name = shown(header.name)
    const size = header.size ?? 0
    files += 1
    total += size
    if (files > limits.maxFiles) return refused(`Archive contains too many files (limit: ${limits.maxFiles})`)
    if (linkKinds.has(header.type)) return refused(`Invalid archive: symlinks not allowed (${name})`)
    if (header.type !== "file" && header.type !== "directory" && header.type !== "contiguous-file") {
      return refused(`Invalid archive: unsupported file type (${name})`)
    }
    if (!Number.isSafeInteger(size) || size > limits.maxFileBytes) {
      return refused(`File too large: ${name} (${size} bytes)`)
    }
    return total > limits.maxBytes ? refused(`Archive too large (limit: ${limits.maxBytes} bytes)`) : null
  }
}

const read = <E>(archive: Stream.Stream<Uint8Array, E>, limits: ArchiveLimits) =>
  Stream.unwrap(
    Effect.gen(function* () {
      // What ends the pipeline is the first thing that went wrong, not what the other ends of it made of that.
      let first: E | ArchiveRefused | undefined
      const note = (cause: unknown): E | ArchiveRefused => {
        first ??= cause instanceof ArchiveRefused ? cause : refused(`Invalid archive: ${textOf(cause)}`)
        return first
      }
      const source = NodeStream.toReadableNever(
        Stream.tapError(archive, (error) =>
          Effect.sync(() => {
            first ??= error
          })
        )
      )
      const gunzip = createGunzip()
      const unpacked = extract()
      yield* Effect.acquireRelease(
        Effect.sync(() => {
          pipeline(source, gunzip, bounded(gunzip, limits), unpacked).catch((cause: unknown) => {
            note(cause)
            unpacked.destroy(cause instanceof Error ? cause : new Error(String(cause)))
          })
        }),
        () =>
          Effect.sync(() => {
            source.destroy()
            gunzip.destroy()
            unpacked.destroy()
          })
      )
      const judged = judge(limits)
      return Stream.fromAsyncIterable<Entry, E | ArchiveRefused>(unpacked, note).pipe(
        Stream.mapEffect((entry) => {
          const problem = judged(entry)
          if (problem !== null) return Effect.fail(note(problem))
          if (entry.header.type !== "directory") return Effect.succeed(entry)
          entry.resume()
          return Effect.succeed(null)
        }),
        Stream.filter((entry) => entry !== null),
        Stream.map((entry): ArchiveMember<E> => ({
          name: entry.header.name,
          bytes: entry.header.size ?? 0,
          body: Stream.fromAsyncIterable<Uint8Array, E | ArchiveRefused>(entry as AsyncIterable<Uint8Array>, note)
        }))
      )
    })
  )

const textOf = (cause: unknown) => {
  if (codeOf(cause)?.startsWith("Z_") === true) return "it is not a whole gzip file"
  return cause instanceof Error ? shown(cause.message) : "it cannot be read"
}

export const layer = Layer.succeed(ArchiveReader, ArchiveReader.of({ read }))
