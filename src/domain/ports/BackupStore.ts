/** Where backups are kept. A backup is there when its file and its manifest are. */
import type { Effect, Scope, Stream } from "effect"
import { Context, Schema } from "effect"
import type { BackupName } from "../backups/BackupName.ts"
import type { BackupStatus } from "../backups/BackupStatus.ts"
import type { Manifest } from "../backups/Manifest.ts"
import type { Sha256 } from "../ids.ts"

export class BackupStoreProblem extends Schema.TaggedError<BackupStoreProblem>()("BackupStoreProblem", {
  reason: Schema.Literals(["full", "tight", "missing", "unreadable", "unwritable"]),
  path: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    if (this.reason === "full" || this.reason === "tight") {
      const what = this.reason === "full" ? `The disk of ${this.path} is full` : this.problem
      return `${what}: free some space, or set BACKUP_PATH to a larger disk. Earlier backups are as they were`
    }
    return `${this.path} is ${this.reason}: ${this.problem}`
  }
}

/** `lost`: a manifest whose file is gone. `unknown`: a file that is none of ours, or whose manifest cannot be read. */
export type StoredBackup =
  | { readonly _tag: "Backup"; readonly name: BackupName; readonly manifest: Manifest }
  | { readonly _tag: "Lost"; readonly name: BackupName; readonly manifest: Manifest }
  | { readonly _tag: "Unknown"; readonly name: BackupName; readonly problem: string }

/** A place where finished backups lie. */
export interface Shelf<E> {
  /** Newest first. */
  readonly list: Effect.Effect<ReadonlyArray<StoredBackup>, E>
  read(name: BackupName): Stream.Stream<Uint8Array, E>
  digest(name: BackupName): Effect.Effect<Digest, E>
  /** Also the last step of putting a backup there: one without a manifest is treated as absent. */
  writeManifest(manifest: Manifest): Effect.Effect<void, E>
  /** The file first: what is left when we are killed in between counts as lost. */
  remove(name: BackupName): Effect.Effect<void, E>
}

export interface Digest {
  readonly bytes: number
  readonly sha256: Sha256
}

/** A backup that nobody sees yet. It goes away with the scope unless it was published. */
export interface PartialBackup {
  /** Durable when it ends. The digest is that of the stream, not of the disk. */
  write<E>(content: Stream.Stream<Uint8Array, E>): Effect.Effect<Digest, BackupStoreProblem | E>
  readonly read: Stream.Stream<Uint8Array, BackupStoreProblem>
  /** Of what the disk holds now. */
  readonly digest: Effect.Effect<Digest, BackupStoreProblem>
  /** In one step under its name, with the manifest beside it. */
  publish(manifest: Manifest): Effect.Effect<void, BackupStoreProblem>
}

export class BackupStore extends Context.Service<
  BackupStore,
  Shelf<BackupStoreProblem> & {
    /** `owner` tells the unfinished backups of one database from those of others. */
    begin(owner: string): Effect.Effect<PartialBackup, BackupStoreProblem, Scope.Scope>
    /** Removes what runs that were killed have left; the names of the files. */
    removePartials(owner: string): Effect.Effect<ReadonlyArray<string>, BackupStoreProblem>

    readonly freeBytes: Effect.Effect<number, BackupStoreProblem>
    readonly status: Effect.Effect<BackupStatus, BackupStoreProblem>
    writeStatus(status: BackupStatus): Effect.Effect<void, BackupStoreProblem>
  }
>()("vlog/domain/ports/BackupStore") {}
