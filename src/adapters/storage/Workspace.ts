/** Workspace below one folder of the worker's disk. */
import { Effect, Layer } from "effect"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { mkdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import type { LeaseId } from "../../domain/ids.ts"
import { Sha256 } from "../../domain/ids.ts"
import type { RenditionName } from "../../domain/media/Rendition.ts"
import { posterName } from "../../domain/media/Segment.ts"
import { Workspace, WorkspaceError } from "../../domain/ports/Workspace.ts"

const attempt = <A>(path: string, work: () => Promise<A>) =>
  Effect.tryPromise({
    try: work,
    catch: (cause) =>
      new WorkspaceError({ problem: `${path}: ${cause instanceof Error ? cause.message : String(cause)}` })
  })

const make = (root: string) => {
  const open = Effect.fn("Workspace.open")(function* (lease: LeaseId, extension: string) {
    const folder = join(root, lease)
    yield* Effect.acquireRelease(
      attempt(folder, () => mkdir(join(folder, "output"), { recursive: true })),
      () => Effect.ignore(attempt(folder, () => rm(folder, { recursive: true, force: true })))
    )
    return {
      source: join(folder, `source${extension}`),
      output: join(folder, "output"),
      poster: join(folder, posterName)
    }
  })

  const digest = (file: { readonly rendition: RenditionName; readonly name: string; readonly path: string }) =>
    attempt(file.path, async () => {
      const hash = createHash("sha256")
      const stream = createReadStream(file.path)
      await pipeline(stream, hash)
      return {
        rendition: file.rendition,
        name: file.name,
        bytes: stream.bytesRead,
        sha256: Sha256.make(hash.digest("hex"))
      }
    })

  return Workspace.of({ open, digest, remove: (path) => attempt(path, () => rm(path, { force: true })) })
}

/** The folder is made, and whether it can be written is known, before any task is claimed. */
export const layer = (options: { readonly root: string }) =>
  Layer.effect(
    Workspace,
    Effect.as(
      attempt(options.root, () => mkdir(options.root, { recursive: true })),
      make(options.root)
    )
  )
