/**
 * BackupCopies in a bucket, of whoever speaks the protocol of S3. The objects have the names of the files, below a
 * prefix. An object appears when its upload is complete, so there is no half of one under its name.
 */
import { createHash } from "node:crypto"
import * as NodeStream from "@effect/platform-node/NodeStream"
import type { GetObjectCommandOutput, S3Client } from "@aws-sdk/client-s3"
import type { Upload } from "@aws-sdk/lib-storage"
import { Clock, Effect, Layer, Schema, Stream } from "effect"
import type { Readable } from "node:stream"
import { type BackupName, manifestName } from "../../domain/backups/BackupName.ts"
import { type Manifest, ManifestText } from "../../domain/backups/Manifest.ts"
import { Sha256 } from "../../domain/ids.ts"
import { BackupCopies, type CopyProblem, type CopyShelf } from "../../domain/ports/BackupCopies.ts"
import type { Digest } from "../../domain/ports/BackupStore.ts"
import { copyProblem } from "./S3Problems.ts"
import { describeAll } from "./Sidecars.ts"

export interface S3Options {
  readonly bucket: string
  /** In front of each name; ends in a slash where it should look like a folder. */
  readonly prefix: string
  /** That of AWS when there is none. */
  readonly endpoint: string
  readonly region: string
  /** Whether the bucket is part of the path, not of the host name. */
  readonly pathStyle: boolean
}

const encodeManifest = Schema.encodeEffect(ManifestText)

const dayMillis = 24 * 60 * 60 * 1000
const mebibyte = 1024 * 1024

/** A copy has at most 10 000 parts, and three of them are in memory at once. */
const partBytes = (bytes: number): number => Math.max(8 * mebibyte, Math.ceil(bytes / 9_000))
const partsAtOnce = 3

/** Credentials come from the environment, a profile, or the role of the pod, as every tool for S3 finds them. */
const makeClient = (sdk: typeof import("@aws-sdk/client-s3"), options: S3Options) =>
  new sdk.S3Client({
    region: options.region,
    ...(options.endpoint === "" ? {} : { endpoint: options.endpoint }),
    forcePathStyle: options.pathStyle,
    maxAttempts: 4,
    requestHandler: { connectionTimeout: 10_000, requestTimeout: 120_000 },
    // We ask for the checksums that matter; others are unknown to some servers.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED"
  })

const make = Effect.fnUntraced(function* (options: S3Options) {
  const sdk = yield* Effect.promise(() => import("@aws-sdk/client-s3"))
  const storage = yield* Effect.promise(() => import("@aws-sdk/lib-storage"))
  const client: S3Client = yield* Effect.acquireRelease(
    Effect.sync(() => makeClient(sdk, options)),
    (client) => Effect.sync(() => client.destroy())
  )
  const place = `s3://${options.bucket}/${options.prefix}`
  const Bucket = options.bucket
  const keyOf = (name: string) => `${options.prefix}${name}`
  const attempt = <A>(work: (abortSignal: AbortSignal) => Promise<A>): Effect.Effect<A, CopyProblem> =>
    Effect.tryPromise({ try: work, catch: (cause) => copyProblem(place, cause) })

  const names = attempt(async (abortSignal) => {
    const found: Array<string> = []
    const pages = sdk.paginateListObjectsV2({ client }, { Bucket, Prefix: options.prefix }, { abortSignal })
    for await (const page of pages) {
      for (const { Key } of page.Contents ?? []) if (Key !== undefined) found.push(Key.slice(options.prefix.length))
    }
    return found
  })

  const get = (name: string) =>
    attempt((abortSignal) => client.send(new sdk.GetObjectCommand({ Bucket, Key: keyOf(name) }), { abortSignal }))

  /** Nothing when there is no such object; anything else is trouble, and no reason to think so. */
  const textOf = (name: string) =>
    attempt(async (abortSignal) => {
      try {
        const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket, Key: keyOf(name) }), { abortSignal })
        return await Body?.transformToString("utf-8")
      } catch (cause) {
        if (cause instanceof sdk.NoSuchKey) return undefined
        throw cause
      }
    })

  const bytesOf = ({ Body }: GetObjectCommandOutput): Stream.Stream<Uint8Array, CopyProblem> =>
    NodeStream.fromReadable<Uint8Array, CopyProblem>({
      // What the SDK returns where Node.js runs it.
      evaluate: () => Body as Readable,
      onError: (cause) => copyProblem(place, cause)
    })

  const read = (name: string) => Stream.unwrap(Effect.map(get(name), bytesOf))

  const digest = Effect.fn("BackupCopies.digest")(function* (name: BackupName) {
    const hash = createHash("sha256")
    let bytes = 0
    yield* Stream.runForEach(read(name), (chunk) =>
      Effect.sync(() => {
        hash.update(chunk)
        bytes += chunk.length
      })
    )
    return { bytes, sha256: Sha256.make(hash.digest("hex")) } satisfies Digest
  })

  const finish = (upload: Upload) =>
    Effect.callback<void, unknown>((resume) => {
      upload.done().then(
        () => resume(Effect.void),
        (cause: unknown) => resume(Effect.fail(cause))
      )
      return Effect.promise(() => upload.abort())
    })

  const put: CopyShelf["put"] = Effect.fn("BackupCopies.put")(function* <E>(
    name: BackupName,
    bytes: number,
    content: Stream.Stream<Uint8Array, E>
  ) {
    yield* Effect.annotateCurrentSpan({ "backup.name": name, "backup.bytes": bytes, place })
    let source: { readonly error: E } | undefined
    const body = yield* Effect.acquireRelease(
      NodeStream.toReadable(Stream.tapError(content, (error) => Effect.sync(() => void (source = { error })))),
      (readable) => Effect.sync(() => readable.destroy())
    )
    const upload = new storage.Upload({
      client,
      params: { Bucket, Key: keyOf(name), Body: body, ChecksumAlgorithm: "SHA256" },
      partSize: partBytes(bytes),
      queueSize: partsAtOnce
    })
    yield* finish(upload).pipe(
      Effect.mapError((cause) => (source === undefined ? copyProblem(place, cause) : source.error))
    )
  }, Effect.scoped)

  const writeManifest = Effect.fn("BackupCopies.writeManifest")(function* (manifest: Manifest) {
    const Body = yield* Effect.orDie(encodeManifest(manifest))
    yield* attempt((abortSignal) =>
      client.send(
        new sdk.PutObjectCommand({
          Bucket,
          Key: keyOf(manifestName(manifest.name)),
          Body,
          ContentType: "application/json",
          ChecksumAlgorithm: "SHA256"
        }),
        { abortSignal }
      )
    )
  })

  const remove = Effect.fn("BackupCopies.remove")(function* (name: BackupName) {
    for (const Key of [keyOf(name), keyOf(manifestName(name))]) {
      yield* attempt((abortSignal) => client.send(new sdk.DeleteObjectCommand({ Bucket, Key }), { abortSignal }))
    }
  })

  const removeUnfinished = Effect.gen(function* () {
    const limit = (yield* Clock.currentTimeMillis) - dayMillis
    const { Uploads } = yield* attempt((abortSignal) =>
      client.send(new sdk.ListMultipartUploadsCommand({ Bucket, Prefix: options.prefix }), { abortSignal })
    )
    const old = (Uploads ?? []).filter(({ Initiated }) => (Initiated?.getTime() ?? Infinity) < limit)
    for (const { Key, UploadId } of old) {
      yield* attempt((abortSignal) =>
        client.send(new sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId }), { abortSignal })
      )
    }
    return old.length
  }).pipe(Effect.withSpan("BackupCopies.removeUnfinished"))

  const shelf: CopyShelf = {
    place,
    list: Effect.flatMap(names, (found) => describeAll(found, textOf)).pipe(Effect.withSpan("BackupCopies.list")),
    read,
    digest,
    put,
    writeManifest,
    remove,
    removeUnfinished
  }
  return BackupCopies.of({ shelf })
})

export const layer = (options: S3Options) => Layer.effect(BackupCopies, make(options))

/** Backups are nowhere but in the folder. */
export const layerNone = Layer.succeed(BackupCopies)({ shelf: undefined })
