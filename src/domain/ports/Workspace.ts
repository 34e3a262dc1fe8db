/** The worker's own disk: a folder for each task, gone when the task is over. */
import type { Effect, Scope } from "effect"
import { Context, Schema } from "effect"
import type { LeaseId, Sha256 } from "../ids.ts"
import type { FileDigest } from "../media/Segment.ts"
import type { RenditionName } from "../media/Rendition.ts"
import type { DiskSpace } from "./DiskSpace.ts"

export class WorkspaceError extends Schema.TaggedError<WorkspaceError>()("WorkspaceError", {
  /** `full`: there is too little room, here and now. Nothing where it is anything else. */
  reason: Schema.optionalKey(Schema.Literal("full")),
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

export interface TaskFolder {
  readonly source: string
  readonly output: string
  readonly poster: string
}

export class Workspace extends Context.Service<
  Workspace,
  {
    /**
     * An empty folder for an attempt, removed with the scope. `extension` is the source's, with its dot. Fails where
     * there is no room for the source's `bytes`.
     */
    open(lease: LeaseId, extension: string, bytes: number): Effect.Effect<TaskFolder, WorkspaceError, Scope.Scope>
    /** Fails as `full` while the disk is so full that what is written to it, or is still to come of sources, may be lost. */
    readonly room: Effect.Effect<void, WorkspaceError>
    digest(file: {
      readonly rendition: RenditionName
      readonly name: string
      readonly path: string
    }): Effect.Effect<FileDigest, WorkspaceError>
    /** Of the first so many bytes of a file each, as far as it has them. */
    digestsOfFirst(
      path: string,
      lengths: ReadonlyArray<number>
    ): Effect.Effect<ReadonlyMap<number, Sha256>, WorkspaceError>
    /** Of a file, or of a folder with all that is in it. */
    remove(path: string): Effect.Effect<void, WorkspaceError>
    readonly space: Effect.Effect<DiskSpace, WorkspaceError>
  }
>()("vlog/domain/ports/Workspace") {}
