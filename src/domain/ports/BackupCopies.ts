/** Copies of finished backups in another place, which does not burn down with this one. */
import type { Effect, Stream } from "effect"
import { Context, Schema } from "effect"
import type { BackupName } from "../backups/BackupName.ts"
import type { Shelf } from "./BackupStore.ts"

const advice = {
  unreachable: "check BACKUP_S3_ENDPOINT and BACKUP_S3_REGION, and whether the storage is up",
  denied: "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what this key may do in the bucket",
  missing: "check BACKUP_S3_BUCKET and BACKUP_S3_PREFIX",
  damaged:
    "something between here and there changes bytes: try again, and if it comes back have network and storage checked",
  failed: "see what the storage says about it"
} as const

export class CopyProblem extends Schema.TaggedError<CopyProblem>()("CopyProblem", {
  reason: Schema.Literals(["unreachable", "denied", "missing", "damaged", "failed"]),
  place: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `${this.place}: ${this.problem.replace(/\.$/, "")}; ${advice[this.reason]}. The backups in BACKUP_PATH are as they were`
  }
}

export interface CopyShelf extends Shelf<CopyProblem> {
  /** For a person. */
  readonly place: string
  /** All of it or nothing. It counts once its manifest is there as well. */
  put<E>(name: BackupName, bytes: number, content: Stream.Stream<Uint8Array, E>): Effect.Effect<void, E | CopyProblem>
  /** Frees what copies that were broken off more than a day ago still hold; how many there were. */
  readonly removeUnfinished: Effect.Effect<number, CopyProblem>
}

export class BackupCopies extends Context.Service<
  BackupCopies,
  {
    /** Undefined where no such place was named. */
    readonly shelf: CopyShelf | undefined
  }
>()("vlog/domain/ports/BackupCopies") {}
