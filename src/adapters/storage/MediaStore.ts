/**
 * MediaStore on one file system:
 *
 *     tmp/                              what is still arriving
 *     arriving/<arriving id>            uploads that can be gone on with
 *     uploads/<video id><extension>     sources
 *     attempts/<lease id>/<sha256>      what an attempt uploaded, named by content
 *     published/<lease id>/<rendition>/ what viewers get, further names for the files of the attempts
 */
import { Effect, Layer, type Stream } from "effect"
import { randomUUID } from "node:crypto"
import { open, stat } from "node:fs/promises"
import { dirname, join } from "node:path"
import type { ArrivingId, LeaseId, VideoId } from "../../domain/ids.ts"
import type { Delivery } from "../../domain/jobs/Delivery.ts"
import { thumbnailPath } from "../../domain/media/Delivered.ts"
import * as DashManifest from "../../domain/media/DashManifest.ts"
import * as HlsPlaylist from "../../domain/media/HlsPlaylist.ts"
import { masterPlaylist } from "../../domain/media/PlaylistPresentation.ts"
import type { Presentation } from "../../domain/media/Presentation.ts"
import { type FileDigest, posterName, posterRendition } from "../../domain/media/Segment.ts"
import type { TaskOutput } from "../../domain/ports/JobStore.ts"
import { type Arriving, MediaStore, type Received } from "../../domain/ports/MediaStore.ts"
import type { SourceFile } from "../../domain/videos/Video.ts"
import {
  copyFirst,
  diskError,
  linkOrCopy,
  linkOrMove,
  makeFolder,
  moveInto,
  remove,
  removeFile,
  spaceAt,
  syncFolder,
  writeWhole
} from "./Disk.ts"
import { growing } from "./Growing.ts"

/** A playlist or a DASH manifest: its path within the publication, and its text. */
type Manifest = readonly [path: string, content: string]

const manifestsOf = (presentation: Presentation, publication: LeaseId): ReadonlyArray<Manifest> => [
  [HlsPlaylist.masterName, HlsPlaylist.masterPlaylist(presentation, `${publication}/`)],
  [DashManifest.manifestName, DashManifest.manifest(presentation, `${publication}/`)],
  ...[...presentation.video, ...presentation.audio].map((track): Manifest => [
    join(track.name, HlsPlaylist.mediaName),
    HlsPlaylist.mediaPlaylist(track)
  ])
]

/** The playlists of its tracks came with it: only what names them all is written here. */
const manifestsOfDelivery = (delivery: Delivery, publication: LeaseId): ReadonlyArray<Manifest> => {
  const [first, ...rest] = delivery.dash
  const master: Manifest = [HlsPlaylist.masterName, masterPlaylist(delivery.presentation, `${publication}/`)]
  return first === undefined
    ? [master]
    : [master, [DashManifest.manifestName, DashManifest.separateManifest([first, ...rest], `${publication}/`)]]
}

const make = (root: string) =>
  Effect.gen(function* () {
    const temporary = join(root, "tmp")
    const sourcePath = (id: VideoId, source: Pick<SourceFile, "extension">) =>
      join(root, "uploads", `${id}${source.extension}`)
    const arrivingPath = (id: ArrivingId) => join(root, "arriving", id)
    const attemptFolder = (lease: LeaseId) => join(root, "attempts", lease)
    const partPath = (lease: LeaseId, file: Pick<FileDigest, "sha256">) => join(attemptFolder(lease), file.sha256)
    const publicationPath = (publication: LeaseId, path: string) => join(root, "published", publication, path)

    yield* Effect.forEach(
      [temporary, join(root, "arriving"), join(root, "uploads"), join(root, "attempts"), join(root, "published")],
      makeFolder
    )

    const receive = Effect.fn("MediaStore.receive")(function* <E>(
      body: Stream.Stream<Uint8Array, E>,
      options: { readonly maxBytes: number }
    ) {
      const path = join(temporary, randomUUID())
      const file = yield* Effect.acquireRelease(
        Effect.tryPromise({ try: () => open(path, "wx"), catch: (cause) => diskError(path, cause) }),
        (file) => Effect.andThen(Effect.ignore(Effect.tryPromise(() => file.close())), Effect.ignore(removeFile(path)))
      )
      const { settled, whole, write } = growing(file, path, 0)
      yield* write(body, options)
      yield* settled
      return yield* whole
    })

    const goOn = Effect.fn("MediaStore.goOn")(function* (id: ArrivingId, offset: number) {
      const path = arrivingPath(id)
      const file = yield* Effect.acquireRelease(
        Effect.tryPromise({
          try: () => open(path, offset === 0 ? "w+" : "r+"),
          catch: (cause) => diskError(path, cause)
        }),
        (file) => Effect.ignore(Effect.tryPromise(() => file.close()))
      )
      if (offset === 0) yield* syncFolder(dirname(path))
      return { id, ...growing(file, path, offset) } satisfies Arriving
    })

    const copyArriving = Effect.fn("MediaStore.copyArriving")(function* (
      from: ArrivingId,
      to: ArrivingId,
      bytes: number
    ) {
      yield* copyFirst(arrivingPath(from), arrivingPath(to), bytes)
      yield* syncFolder(join(root, "arriving"))
    })

    const removeArriving = (id: ArrivingId) => removeFile(arrivingPath(id))

    /** Linked first: whether the transaction that this is a part of will be committed, nobody knows yet. */
    const placeSource = (received: Received, id: VideoId, extension: string) =>
      linkOrMove(received.path, sourcePath(id, { extension }))

    const placePart = (received: Received, lease: LeaseId) => moveInto(received.path, partPath(lease, received))

    const isFile = (path: string) =>
      Effect.tryPromise(() => stat(path)).pipe(
        Effect.match({ onFailure: () => false, onSuccess: (found) => found.isFile() })
      )

    const hasParts = (lease: LeaseId, files: ReadonlyArray<FileDigest>) =>
      Effect.map(
        Effect.forEach(files, (file) => isFile(partPath(lease, file)), { concurrency: 16 }),
        (there) => there.every(Boolean)
      )

    const shareParts = Effect.fn("MediaStore.shareParts")(function* (
      from: LeaseId,
      to: LeaseId,
      files: ReadonlyArray<FileDigest>
    ) {
      yield* makeFolder(attemptFolder(to))
      yield* Effect.forEach(files, (file) => linkOrCopy(partPath(from, file), partPath(to, file)), {
        concurrency: 16,
        discard: true
      })
      yield* syncFolder(attemptFolder(to))
    })

    /** Each file is a further name for the part of an attempt; durable from its bytes up to its folder's name. */
    const assemble = Effect.fn("MediaStore.assemble")(function* (
      publication: LeaseId,
      files: ReadonlyArray<{ readonly path: string; readonly part: string }>,
      manifests: ReadonlyArray<Manifest>
    ) {
      const folders = new Set(files.map(({ path }) => publicationPath(publication, dirname(path))))
      yield* Effect.forEach(folders, makeFolder, { discard: true })
      yield* Effect.forEach(files, ({ part, path }) => linkOrCopy(part, publicationPath(publication, path)), {
        concurrency: 16,
        discard: true
      })
      yield* Effect.forEach(manifests, ([path, content]) => writeWhole(publicationPath(publication, path), content), {
        discard: true
      })
      yield* Effect.forEach([...folders, publicationPath(publication, "."), join(root, "published")], syncFolder, {
        discard: true
      })
    })

    const assemblePublication = (
      publication: LeaseId,
      outputs: ReadonlyArray<TaskOutput>,
      presentation: Presentation
    ) =>
      assemble(
        publication,
        outputs.flatMap(({ files, leaseId }) =>
          files.map((file) => ({ path: join(file.rendition, file.name), part: partPath(leaseId, file) }))
        ),
        manifestsOf(presentation, publication)
      )

    const assembleDelivery = (publication: LeaseId, delivery: Delivery) =>
      assemble(
        publication,
        delivery.files.flatMap((file) => {
          const part = partPath(publication, file)
          return file.path === thumbnailPath
            ? // And where the pages look for it.
              [file.path, join(posterRendition, posterName)].map((path) => ({ path, part }))
            : [{ path: file.path, part }]
        }),
        manifestsOfDelivery(delivery, publication)
      )

    const missing = (publication: LeaseId, paths: ReadonlyArray<string>) =>
      Effect.filter(paths, (path) => Effect.map(isFile(publicationPath(publication, path)), (there) => !there), {
        concurrency: 16
      })

    const discardAttempt = (lease: LeaseId) => remove(attemptFolder(lease))

    const probe = Effect.gen(function* () {
      const path = join(temporary, `probe-${randomUUID()}`)
      yield* writeWhole(path, "probe")
      yield* removeFile(path)
    })

    return MediaStore.of({
      receive,
      goOn,
      copyArriving,
      removeArriving,
      placeSource,
      sourcePath,
      placePart,
      partPath,
      hasParts,
      shareParts,
      assemblePublication,
      assembleDelivery,
      missing,
      publicationPath,
      discardAttempt,
      probe,
      space: spaceAt(root)
    })
  })

export const layer = (options: { readonly root: string }) => Layer.effect(MediaStore, make(options.root))
