/** Opens an archive from outside while it arrives, and believes nothing that it says. */
import type { Scope, Stream } from "effect"
import { Context, Schema } from "effect"

/** The archive is not one that is taken. The problem is written for whoever sent it. */
export class ArchiveRefused extends Schema.TaggedError<ArchiveRefused>()("ArchiveRefused", {
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

export interface ArchiveLimits {
  readonly maxFiles: number
  readonly maxFileBytes: number
  /** Of all files together, unpacked. */
  readonly maxBytes: number
}

/** A regular file of an archive. Its body is to be read before the next member is asked for. */
export interface ArchiveMember<E> {
  /** As the archive has it: not a path yet. */
  readonly name: string
  readonly bytes: number
  readonly body: Stream.Stream<Uint8Array, E | ArchiveRefused>
}

export class ArchiveReader extends Context.Service<
  ArchiveReader,
  {
    /** The members in their order; folders are passed over, everything that is neither file nor folder is refused. */
    read<E>(
      archive: Stream.Stream<Uint8Array, E>,
      limits: ArchiveLimits
    ): Stream.Stream<ArchiveMember<E>, E | ArchiveRefused, Scope.Scope>
  }
>()("vlog/domain/ports/ArchiveReader") {}
