/** Encrypts backups for who holds a key elsewhere, so that whoever reads the disk reads nothing. */
import type { Effect, Stream } from "effect"
import { Context, Schema } from "effect"
import type { ArchiveRefused } from "./BackupTool.ts"

/** The bytes may be as sound as they were; what is missing is the right to read them. */
export class KeyMissing extends Schema.TaggedError<KeyMissing>()("KeyMissing", { problem: Schema.String }) {
  override get message() {
    return this.problem
  }
}

type Bytes<E> = Stream.Stream<Uint8Array, E>

/** One new backup. It can be read back as long as this value lives, and afterwards by the owners of the keys only. */
export interface Seal {
  encrypt<E>(archive: Bytes<E>): Bytes<E>
  decrypt<E>(archive: Bytes<E>): Bytes<E | ArchiveRefused | KeyMissing>
}

export class BackupCipher extends Context.Service<
  BackupCipher,
  {
    /** The public keys for which new backups are encrypted; without any they are not. */
    readonly recipients: ReadonlyArray<string>
    readonly seal: Effect.Effect<Seal>
    /** Whether there is a key to try at all. */
    readonly mayDecrypt: boolean
    /** Fails with `ArchiveRefused` where the bytes are damaged, as far as that can be told from a wrong key. */
    decrypt<E>(archive: Bytes<E>): Bytes<E | ArchiveRefused | KeyMissing>
  }
>()("vlog/domain/ports/BackupCipher") {}
