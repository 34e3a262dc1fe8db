/** File operations whose result survives a power cut, with errors that say which path and why. */
import { Effect } from "effect"
import { constants } from "node:fs"
import { copyFile, link, mkdir, open, rename, rm, statfs, unlink, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { MediaStoreError } from "../../domain/ports/MediaStore.ts"
import { codeOf, isFull } from "../process/causes.ts"

export const diskError = (path: string, cause: unknown): MediaStoreError =>
  new MediaStoreError({
    reason: isFull(cause) ? "full" : codeOf(cause) === "ENOENT" ? "missing" : "unwritable",
    path,
    cause
  })

const attempt = <A>(path: string, work: () => Promise<A>) =>
  Effect.tryPromise({ try: work, catch: (cause) => diskError(path, cause) })

export const makeFolder = (path: string) => attempt(path, () => mkdir(path, { recursive: true }))

export const spaceAt = (path: string) =>
  Effect.map(
    attempt(path, () => statfs(path)),
    ({ bavail, blocks, bsize }) => ({ free: bavail * bsize, size: blocks * bsize })
  )

/** Removes a file or a whole folder; one that is not there is as good as removed. */
export const remove = (path: string) => attempt(path, () => rm(path, { recursive: true, force: true }))

/** As `remove`, for what is a file: in one step. */
export const removeFile = (path: string) =>
  attempt(path, () =>
    unlink(path).catch((cause: unknown) => {
      if (codeOf(cause) !== "ENOENT") throw cause
    })
  )

/** The names in a folder are only durable when the folder itself is. */
export const syncFolder = (path: string) =>
  attempt(path, async () => {
    const folder = await open(path, constants.O_RDONLY)
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  })

export const moveInto = Effect.fnUntraced(function* (from: string, to: string) {
  const folder = dirname(to)
  const move = attempt(to, () => rename(from, to))
  // Most times the folder is there.
  yield* Effect.catchIf(
    move,
    ({ reason }) => reason === "missing",
    () => Effect.andThen(Effect.andThen(makeFolder(folder), syncFolder(dirname(folder))), move)
  )
  yield* syncFolder(folder)
})

/** This file system has no second names for the same bytes, or none for these. */
const isUnlinkable = (cause: unknown) =>
  ["EXDEV", "EPERM", "ENOTSUP", "EOPNOTSUPP", "EMLINK", "ENOSYS"].includes(codeOf(cause) ?? "")

/** A second name for the same bytes, or a copy where the file system has no such thing. Done already is done. */
export const linkOrCopy = (from: string, to: string) =>
  attempt(to, () =>
    link(from, to).catch((cause: unknown) => {
      if (codeOf(cause) === "EEXIST") return
      if (isUnlinkable(cause)) return copyFile(from, to, constants.COPYFILE_FICLONE)
      throw cause
    })
  )

/** A second name for the same bytes, or another name in place of the first where the file system has no such thing. */
export const linkOrMove = Effect.fnUntraced(function* (from: string, to: string) {
  yield* makeFolder(dirname(to))
  yield* attempt(to, () =>
    link(from, to).catch((cause: unknown) => {
      if (isUnlinkable(cause) || codeOf(cause) === "EEXIST") return rename(from, to)
      throw cause
    })
  )
  yield* syncFolder(dirname(to))
})

/** A durable copy of the first `bytes` of a file; next to nothing is written where the file system shares blocks. */
export const copyFirst = (from: string, to: string, bytes: number) =>
  attempt(to, async () => {
    await copyFile(from, to, constants.COPYFILE_FICLONE)
    const file = await open(to, "r+")
    try {
      await file.truncate(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
  })

/** Either the old content or the new, never half of it. */
export const writeWhole = (path: string, content: string) =>
  attempt(path, async () => {
    const partial = join(dirname(path), `.${crypto.randomUUID()}.partial`)
    try {
      await writeFile(partial, content, { flush: true })
      await rename(partial, path)
    } finally {
      await rm(partial, { force: true })
    }
  })
