/**
 * BackupStore in one folder:
 *
 *     vlog-2025-12-27-020000.dump        a backup
 *     vlog-2025-12-27-020000.dump.json   its manifest
 *     .<owner>.<random>.partial          what is being written
 *     vlog-backup-status.json            what happened last
 */
import { constants, createReadStream } from "node:fs"
import { open, readdir, readFile, rename, rm, stat, statfs, writeFile } from "node:fs/promises"
import { createHash } from "node:crypto"
import { dirname, join } from "node:path"
import { pipeline } from "node:stream/promises"
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Effect, Layer, Option, Schema, Stream } from "effect"
import { type BackupName, manifestName } from "../../domain/backups/BackupName.ts"
import { BackupStatusText, emptyStatus } from "../../domain/backups/BackupStatus.ts"
import { type Manifest, ManifestText } from "../../domain/backups/Manifest.ts"
import { Sha256 } from "../../domain/ids.ts"
import { BackupStore, BackupStoreProblem, type Digest, type PartialBackup } from "../../domain/ports/BackupStore.ts"
import { codeOf, isFull, messageOf } from "../process/causes.ts"
import { describeAll } from "./Sidecars.ts"

const statusName = "vlog-backup-status.json"
const readAtOnce = 1024 * 1024

const storeProblem = (path: string, cause: unknown): BackupStoreProblem => {
  const code = codeOf(cause)
  const problem = messageOf(cause)
  if (isFull(cause)) return new BackupStoreProblem({ reason: "full", path, problem })
  if (code === "ENOENT") return new BackupStoreProblem({ reason: "missing", path, problem })
  return new BackupStoreProblem({ reason: code === "EIO" ? "unreadable" : "unwritable", path, problem })
}

const attempt = <A>(path: string, work: () => Promise<A>) =>
  Effect.tryPromise({ try: work, catch: (cause) => storeProblem(path, cause) })

const encodeManifest = Schema.encodeEffect(ManifestText)

const readFrom = (path: string): Stream.Stream<Uint8Array, BackupStoreProblem> =>
  NodeStream.fromReadable<Uint8Array, BackupStoreProblem>({
    evaluate: () => createReadStream(path, { highWaterMark: readAtOnce }),
    onError: (cause) => storeProblem(path, cause)
  })

const digestOf = (path: string) =>
  attempt(path, async (): Promise<Digest> => {
    const hash = createHash("sha256")
    const stream = createReadStream(path, { highWaterMark: readAtOnce })
    await pipeline(stream, hash)
    return { bytes: stream.bytesRead, sha256: Sha256.make(hash.digest("hex")) }
  })

/** Writes a stream to a new file, durably. The hash is taken before any disk has seen the bytes. */
const writeNew = Effect.fnUntraced(function* <E>(path: string, content: Stream.Stream<Uint8Array, E>) {
  // Its own name means nothing to a person.
  const folder = dirname(path)
  const file = yield* Effect.acquireRelease(
    attempt(folder, () => open(path, "wx", 0o600)),
    (file) => Effect.ignore(attempt(folder, () => file.close()))
  )
  const hash = createHash("sha256")
  let bytes = 0
  yield* Stream.runForEach(content, (chunk) => {
    hash.update(chunk)
    bytes += chunk.length
    return attempt(folder, () => file.writeFile(chunk))
  })
  yield* attempt(folder, () => file.sync())
  return { bytes, sha256: Sha256.make(hash.digest("hex")) } satisfies Digest
}, Effect.scoped)

const make = Effect.fnUntraced(function* (root: string) {
  const pathOf = (name: string) => join(root, name)
  yield* attempt(root, () => readdir(root)).pipe(
    Effect.mapError(
      ({ reason, problem }) =>
        new BackupStoreProblem({
          reason,
          path: root,
          problem: `${problem}; BACKUP_PATH must be a folder that exists: mount or make it`
        })
    )
  )

  const syncRoot = attempt(root, async () => {
    const folder = await open(root, constants.O_RDONLY)
    await folder.sync().finally(() => folder.close())
  })

  /** Either the old content or the new, never half of it. */
  const replace = Effect.fnUntraced(function* (name: string, text: string) {
    const partial = pathOf(`.${name}.${crypto.randomUUID()}.new`)
    yield* attempt(pathOf(name), async () => {
      await writeFile(partial, text, { flush: true, mode: 0o600 })
      await rename(partial, pathOf(name))
    }).pipe(Effect.onError(() => Effect.ignore(attempt(partial, () => rm(partial, { force: true })))))
    yield* syncRoot
  })

  const writeManifest = (manifest: Manifest) =>
    encodeManifest(manifest).pipe(
      Effect.orDie,
      Effect.flatMap((text) => replace(manifestName(manifest.name), text))
    )

  const list = Effect.gen(function* () {
    const files = yield* attempt(root, () => readdir(root))
    return yield* describeAll(files, (sidecar) =>
      Effect.map(Effect.option(attempt(sidecar, () => readFile(pathOf(sidecar), "utf8"))), Option.getOrUndefined)
    )
  }).pipe(Effect.withSpan("BackupStore.list"))

  const begin = Effect.fnUntraced(function* (owner: string) {
    const path = pathOf(`.${owner}.${crypto.randomUUID()}.partial`)
    yield* Effect.addFinalizer(() => Effect.ignore(attempt(path, () => rm(path, { force: true }))))
    const publish = Effect.fn("BackupStore.publish")(function* (manifest: Manifest) {
      const final = pathOf(manifest.name)
      const taken = yield* Effect.option(attempt(final, () => stat(final)))
      if (Option.isSome(taken)) {
        return yield* new BackupStoreProblem({
          reason: "unwritable",
          path: final,
          problem: "there is such a file already"
        })
      }
      // The manifest first: the name of the backup appears only together with it.
      yield* writeManifest(manifest)
      yield* attempt(final, () => rename(path, final)).pipe(
        Effect.onError(() =>
          Effect.ignore(attempt(final, () => rm(pathOf(manifestName(manifest.name)), { force: true })))
        )
      )
      yield* syncRoot
    }, Effect.uninterruptible)
    return {
      write: (content) => writeNew(path, content),
      read: readFrom(path),
      digest: digestOf(path),
      publish
    } satisfies PartialBackup
  })

  const removePartials = Effect.fnUntraced(function* (owner: string) {
    const files = yield* attempt(root, () => readdir(root))
    const partials = files.filter((file) => file.startsWith(`.${owner}.`) && file.endsWith(".partial"))
    yield* Effect.forEach(partials, (file) => attempt(file, () => rm(pathOf(file), { force: true })))
    return partials
  })

  const remove = Effect.fn("BackupStore.remove")(function* (name: BackupName) {
    yield* attempt(name, () => rm(pathOf(name), { force: true }))
    yield* attempt(name, () => rm(pathOf(manifestName(name)), { force: true }))
    yield* syncRoot
  })

  const freeBytes = attempt(root, async () => {
    const { bavail, bsize } = await statfs(root)
    return bavail * bsize
  })

  /** One that cannot be read is as good as none: it is written anew after the next backup. */
  const status = attempt(statusName, () => readFile(pathOf(statusName), "utf8")).pipe(
    Effect.flatMap((text) => Schema.decodeEffect(BackupStatusText)(text)),
    Effect.orElseSucceed(() => emptyStatus)
  )

  return BackupStore.of({
    list,
    begin,
    removePartials,
    read: (name) => readFrom(pathOf(name)),
    digest: (name) => digestOf(pathOf(name)),
    writeManifest,
    remove,
    freeBytes,
    status,
    writeStatus: (next) =>
      Schema.encodeEffect(BackupStatusText)(next).pipe(
        Effect.orDie,
        Effect.flatMap((text) => replace(statusName, text))
      )
  })
})

export const layer = (options: { readonly root: string }) => Layer.effect(BackupStore, make(options.root))
