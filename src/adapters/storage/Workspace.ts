/** Workspace on the worker's disk: below one folder, which several workers may share. */
import { Effect, Layer } from "effect"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { mkdir, rm, stat, statfs } from "node:fs/promises"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import type { LeaseId } from "../../domain/ids.ts"
import { Sha256 } from "../../domain/ids.ts"
import type { RenditionName } from "../../domain/media/Rendition.ts"
import { posterName } from "../../domain/media/Segment.ts"
import { Workspace, WorkspaceError } from "../../domain/ports/Workspace.ts"
import { isFull, messageOf } from "../process/causes.ts"
import { clearDead, occupy } from "./OwnFolder.ts"

const attempt = <A>(path: string, work: () => Promise<A>) =>
  Effect.tryPromise({
    try: work,
    catch: (cause) =>
      new WorkspaceError({
        ...(isFull(cause) ? { reason: "full" } : {}),
        problem: `${path}: ${messageOf(cause)}`
      })
  })

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6)} MB`

const make = ({ keepFree, root }: WorkspaceOptions, own: string) => {
  const space = Effect.map(
    attempt(root, () => statfs(root)),
    ({ bavail, blocks, bsize }) => ({ free: bavail * bsize, size: blocks * bsize })
  )

  /** ffmpeg ends with exit code 0 and empty segments when the disk is full, so that it must never be. */
  const assertRoom = Effect.fnUntraced(function* (bytes: number) {
    const { free } = yield* space
    if (free >= bytes + keepFree) return
    const wanted = bytes === 0 ? "" : `${megabytes(bytes)} for what is still to come of sources and `
    return yield* new WorkspaceError({
      reason: "full",
      problem: `The disk of ${root} has ${megabytes(free)} left, and ${wanted}${megabytes(keepFree)} to spare are wanted: give VLOG_WORKER_WORK_DIR a larger disk, or set VLOG_WORKER_MIN_FREE_SPACE lower`
    })
  })

  /** Sources of the tasks in hand, by their paths. Room that one of them was promised is no other's. */
  const promised = new Map<string, number>()

  const stillToCome = Effect.promise(async () => {
    const left = await Promise.all(
      [...promised].map(async ([path, bytes]) => {
        const arrived = await stat(path).then(
          ({ size }) => size,
          () => 0
        )
        return Math.max(0, bytes - arrived)
      })
    )
    return left.reduce((sum, bytes) => sum + bytes, 0)
  })

  const open = Effect.fn("Workspace.open")(function* (lease: LeaseId, extension: string, bytes: number) {
    const folder = join(own, lease)
    const source = join(folder, `source${extension}`)
    // What cleans up temporary folders may have taken it while nothing was to do.
    yield* attempt(own, () => mkdir(own, { recursive: true }))
    yield* assertRoom(bytes + (yield* stillToCome))
    yield* Effect.acquireRelease(
      Effect.sync(() => promised.set(source, bytes)),
      () => Effect.sync(() => promised.delete(source))
    )
    yield* Effect.acquireRelease(
      attempt(folder, () => mkdir(join(folder, "output"), { recursive: true })),
      () => Effect.ignore(attempt(folder, () => rm(folder, { recursive: true, force: true })))
    )
    return {
      source,
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

  const digestsOfFirst = (path: string, lengths: ReadonlyArray<number>) =>
    attempt(path, async () => {
      const found = new Map<number, Sha256>()
      const hash = createHash("sha256")
      let position = 0
      for (const length of new Set(lengths.toSorted((a, b) => a - b))) {
        const stream = createReadStream(path, { start: position, end: length - 1 })
        for await (const chunk of stream) hash.update(chunk)
        position += stream.bytesRead
        if (position < length) break
        found.set(length, Sha256.make(hash.copy().digest("hex")))
      }
      return found
    })

  const remove = (path: string) => attempt(path, () => rm(path, { recursive: true, force: true }))

  const room = Effect.flatMap(stillToCome, assertRoom)

  return Workspace.of({ open, room, digest, digestsOfFirst, remove, space })
}

export interface WorkspaceOptions {
  readonly root: string
  /** Bytes that stay free, for the segments that are on their way. */
  readonly keepFree: number
}

const ownFolder = Effect.fnUntraced(function* (root: string) {
  const { path, problem } = yield* Effect.acquireRelease(
    Effect.mapError(
      attempt(root, () => occupy(root)),
      ({ problem }) =>
        new WorkspaceError({ problem: `The work folder cannot be used: ${problem}. Check VLOG_WORKER_WORK_DIR` })
    ),
    ({ leave, path }) => Effect.ignore(attempt(path, leave))
  )
  if (problem !== null) {
    yield* Effect.logWarning("what this worker leaves here if it is killed will have to be removed by hand", {
      folder: path,
      problem
    })
  }
  return path
})

const clear = Effect.fnUntraced(function* (root: string) {
  const cleared = yield* attempt(root, () => clearDead(root))
  if (cleared.length > 0) yield* Effect.logInfo("removed what killed workers left", { root, folders: cleared })
}, Effect.catch(Effect.logWarning))

/** The folder is made, and whether it can be written is known, before any task is claimed. */
export const layer = (options: WorkspaceOptions) =>
  Layer.effect(
    Workspace,
    ownFolder(options.root).pipe(
      Effect.tap(() => clear(options.root)),
      Effect.map((own) => make(options, own))
    )
  )
