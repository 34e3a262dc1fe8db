/** The worker's own disk: a folder for each task, gone when the task is over. */
import type { Effect, Scope } from "effect"
import { Context, Schema } from "effect"
import type { LeaseId } from "../ids.ts"
import type { FileDigest } from "../media/Segment.ts"
import type { RenditionName } from "../media/Rendition.ts"

export class WorkspaceError extends Schema.TaggedError<WorkspaceError>()("WorkspaceError", { problem: Schema.String }) {
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
    /** An empty folder for an attempt, removed with the scope. `extension` is the source's, with its dot. */
    open(lease: LeaseId, extension: string): Effect.Effect<TaskFolder, WorkspaceError, Scope.Scope>
    digest(file: {
      readonly rendition: RenditionName
      readonly name: string
      readonly path: string
    }): Effect.Effect<FileDigest, WorkspaceError>
    remove(path: string): Effect.Effect<void, WorkspaceError>
  }
>()("vlog/domain/ports/Workspace") {}
