/** MediaUpkeep on the file system that MediaStore describes. */
import { Clock, Effect, Layer, Schema } from "effect"
import { access, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { ArrivingId, LeaseId } from "../../domain/ids.ts"
import * as HlsPlaylist from "../../domain/media/HlsPlaylist.ts"
import { MediaUpkeep } from "../../domain/ports/MediaUpkeep.ts"
import { diskError, remove } from "./Disk.ts"

const isLease = Schema.is(LeaseId)
const isArriving = Schema.is(ArrivingId)

const attempt = <A>(path: string, work: () => Promise<A>) =>
  Effect.tryPromise({ try: work, catch: (cause) => diskError(path, cause) })

/** The last change; of a folder that of its youngest file. One that vanished meanwhile was in use a moment ago. */
const changedAt = async (path: string): Promise<number> => {
  try {
    const { mtimeMs } = await stat(path)
    const files = await readdir(path).catch(() => [])
    const times = await Promise.all(files.map(async (file) => (await stat(join(path, file))).mtimeMs))
    return Math.max(mtimeMs, ...times)
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

const make = (root: string) => {
  const attempts = join(root, "attempts")
  const temporary = join(root, "tmp")
  const arriving = join(root, "arriving")

  const idleIn = Effect.fnUntraced(function* (folder: string, hours: number) {
    const limit = (yield* Clock.currentTimeMillis) - hours * 3_600_000
    const names = yield* attempt(folder, () => readdir(folder))
    return yield* Effect.filter(names, (name) =>
      Effect.map(
        attempt(folder, () => changedAt(join(folder, name))),
        (changed) => changed < limit
      )
    )
  })

  return MediaUpkeep.of({
    idleAttempts: ({ hours }) => Effect.map(idleIn(attempts, hours), (names) => names.filter(isLease)),
    removeAttempt: (lease) => remove(join(attempts, lease)),
    removeVideo: ({ attempts: leases, extension, id, publications }) =>
      Effect.forEach(
        [
          join(root, "uploads", `${id}${extension}`),
          ...publications.map((publication) => join(root, "published", publication)),
          ...leases.map((lease) => join(attempts, lease))
        ],
        remove,
        { discard: true }
      ),
    idleTemporaries: ({ hours }) =>
      Effect.map(idleIn(temporary, hours), (names) => names.map((name) => join(temporary, name))),
    removeTemporary: remove,
    idleArriving: ({ hours }) =>
      idleIn(arriving, hours).pipe(
        Effect.map((names) => names.filter(isArriving)),
        // The API makes the folder: one of an earlier version had none.
        Effect.catchIf(
          ({ reason }) => reason === "missing",
          () => Effect.succeed([])
        )
      ),
    removeArriving: (id) => remove(join(arriving, id)),
    hasPublication: (publication) =>
      attempt(publication, () =>
        access(join(root, "published", publication, HlsPlaylist.masterName)).then(
          () => true,
          () => false
        )
      )
  })
}

export const layer = (options: { readonly root: string }) => Layer.succeed(MediaUpkeep)(make(options.root))
