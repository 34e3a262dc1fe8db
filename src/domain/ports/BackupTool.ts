/** Writes and reads archives: what pg_dump and pg_restore do. */
import type { Effect, Stream } from "effect"
import { Context, Schema } from "effect"
import type { Wrapping } from "../backups/BackupName.ts"
import type { TableFingerprint } from "../backups/Fingerprint.ts"
import type { DatabaseProblem, DatabaseRef } from "./BackupDatabase.ts"

/** A program of PostgreSQL's client tools is not there, or cannot be started. */
export class ToolMissing extends Schema.TaggedError<ToolMissing>()("ToolMissing", { problem: Schema.String }) {
  override get message() {
    return `${this.problem}; install PostgreSQL's client tools (pg_dump, pg_restore and psql)`
  }
}

/** The archive cannot be read to its end, or what it holds cannot be restored. */
export class ArchiveRefused extends Schema.TaggedError<ArchiveRefused>()("ArchiveRefused", {
  problem: Schema.String
}) {
  override get message() {
    return this.problem
  }
}

/** The bytes of an archive, from wherever they are kept. */
export type Archive<E> = Stream.Stream<Uint8Array, E>

export class BackupTool extends Context.Service<
  BackupTool,
  {
    /** Of pg_dump. */
    readonly version: Effect.Effect<string, ToolMissing>

    /** The archive of the source at a snapshot. The stream fails when pg_dump fails, however late. */
    dump(options: {
      readonly snapshot: string
      readonly wrapping: Wrapping
      readonly compression: number
    }): Stream.Stream<Uint8Array, DatabaseProblem | ToolMissing>

    /** The table of contents, as lines of text. Proves very little: nothing after it is looked at. */
    contents<E>(
      archive: Archive<E>,
      wrapping: Wrapping
    ): Effect.Effect<ReadonlyArray<string>, ArchiveRefused | ToolMissing | E>
    /** Whether the table of contents lists the rows of a table. */
    listsTable(contents: ReadonlyArray<string>, table: TableFingerprint): boolean

    /** Unpacks everything and throws it away. */
    readThrough<E>(archive: Archive<E>, wrapping: Wrapping): Effect.Effect<void, ArchiveRefused | ToolMissing | E>

    /** All or nothing, in one transaction that ends at the first error. */
    restore<E>(
      archive: Archive<E>,
      wrapping: Wrapping,
      options: {
        readonly into: DatabaseRef
        /** Owners and rights are those of the roles that the archive names. */
        readonly withRoles: boolean
        /** Only these tables; all when there is none. */
        readonly tables: ReadonlyArray<Pick<TableFingerprint, "schema" | "name">>
      }
    ): Effect.Effect<void, ArchiveRefused | DatabaseProblem | ToolMissing | E>
  }
>()("vlog/domain/ports/BackupTool") {}
