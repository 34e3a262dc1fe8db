/** Zstandard around a whole archive, with its checksum: pg_dump's own way of writing it has none. */
import { constants, createZstdCompress, createZstdDecompress } from "node:zlib"
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Stream } from "effect"
import { ArchiveRefused } from "../../domain/ports/BackupTool.ts"
import { messageOf } from "../process/causes.ts"

/** The compressor itself cannot fail. */
export const compress =
  (level: number) =>
  <E, R>(stream: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E, R> =>
    stream.pipe(
      NodeStream.pipeThroughDuplex<Uint8Array, CompressorFailed>({
        evaluate: () =>
          createZstdCompress({
            params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 }
          }),
        onError: asError
      }),
      Stream.catchIf(
        (error): error is CompressorFailed => error instanceof CompressorFailed,
        (error) => Stream.die(error)
      )
    ) as Stream.Stream<Uint8Array, E, R>

class CompressorFailed extends Error {}

const asError = (cause: unknown) => new CompressorFailed("zstd failed", { cause })

export const decompress = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) =>
  stream.pipe(
    NodeStream.pipeThroughDuplex<Uint8Array, ArchiveRefused>({
      evaluate: () => createZstdDecompress(),
      onError: (cause) =>
        new ArchiveRefused({
          problem: `it cannot be unpacked: ${messageOf(cause)}`
        })
    })
  )
