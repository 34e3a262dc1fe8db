import { execFileSync } from "node:child_process"
import { createHash, randomUUID } from "node:crypto"
import { existsSync, readdirSync, statfsSync } from "node:fs"
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as DiskMediaStore from "../../../src/adapters/storage/MediaStore.ts"
import { LeaseId, Sha256, VideoId } from "../../../src/domain/ids.ts"
import type { Presentation } from "../../../src/domain/media/Presentation.ts"
import { RenditionName } from "../../../src/domain/media/Rendition.ts"
import type { TaskOutput } from "../../../src/domain/ports/JobStore.ts"
import { MediaStore } from "../../../src/domain/ports/MediaStore.ts"

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-storage-"))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const sha256 = (bytes: Uint8Array) => Sha256.make(createHash("sha256").update(bytes).digest("hex"))
const lease = () => LeaseId.make(randomUUID())
const noisy = (size: number) => Uint8Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8)) % 256)
const inPieces = (bytes: Uint8Array, size: number) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size)
    )
  )

const inRoot = <A, E>(effect: (root: string) => Effect.Effect<A, E, MediaStore>) =>
  Effect.suspend(() => {
    const root = join(folder, randomUUID())
    return effect(root).pipe(Effect.provide(DiskMediaStore.layer({ root })))
  })

const receive = Effect.fnUntraced(function* (bytes: Uint8Array, maxBytes = 1e9) {
  const media = yield* MediaStore
  return yield* media.receive(inPieces(bytes, 1000), { maxBytes })
})

describe("what arrives", () => {
  it.effect("is hashed as it flows and goes away unless it was put in its place", () =>
    inRoot((root) =>
      Effect.gen(function* () {
        const bytes = noisy(123_456)
        const path = yield* Effect.scoped(
          Effect.gen(function* () {
            const received = yield* receive(bytes)
            assert.deepInclude(received, { bytes: bytes.length, sha256: sha256(bytes) })
            assert.isTrue((yield* Effect.promise(() => readFile(received.path))).equals(bytes))
            return received.path
          })
        )
        assert.isFalse(existsSync(path))
        assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(root, "tmp"))), [])
      })
    )
  )

  it.effect("may be nothing at all", () =>
    inRoot(() =>
      Effect.scoped(
        Effect.gen(function* () {
          assert.deepInclude(yield* receive(new Uint8Array()), { bytes: 0, sha256: sha256(new Uint8Array()) })
        })
      )
    )
  )

  it.effect("is refused when it is too much, and leaves nothing", () =>
    inRoot((root) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.scoped(receive(noisy(5000), 5000))).bytes, 5000)
        const error = yield* Effect.flip(Effect.scoped(receive(noisy(5001), 5000)))
        assert.strictEqual(error._tag, "BytesMismatch")
        assert.include(error.message, "at most 5000 bytes")
        assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(root, "tmp"))), [])
      })
    )
  )

  it.effect("leaves nothing when its sender breaks off", () =>
    inRoot((root) =>
      Effect.gen(function* () {
        const media = yield* MediaStore
        const body = Stream.concat(inPieces(noisy(5000), 1000), Stream.fail("connection lost"))
        assert.strictEqual(yield* Effect.flip(Effect.scoped(media.receive(body, { maxBytes: 1e9 }))), "connection lost")
        assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(root, "tmp"))), [])
      })
    )
  )

  it.effect("becomes the source of a video", () =>
    inRoot((root) =>
      Effect.gen(function* () {
        const media = yield* MediaStore
        const bytes = noisy(3000)
        const id = VideoId.make(7)
        yield* Effect.scoped(Effect.flatMap(receive(bytes), (received) => media.placeSource(received, id, ".mp4")))
        const path = media.sourcePath(id, {
          fileName: "a.mp4",
          extension: ".mp4",
          bytes: 3000,
          sha256: sha256(bytes)
        })
        assert.strictEqual(path, join(root, "uploads", "7.mp4"))
        assert.isTrue((yield* Effect.promise(() => readFile(path))).equals(bytes))
      })
    )
  )
})

const rendition = RenditionName.make("360p")

const presentation: Presentation = {
  video: [
    {
      name: rendition,
      codecs: "avc1.64001e",
      timescale: 1000,
      init: "init.mp4",
      segments: [
        { name: "seg_00000.m4s", decodeTime: 0, duration: 4000, bytes: 2000 },
        { name: "seg_00001.m4s", decodeTime: 4000, duration: 1000, bytes: 2000 }
      ],
      width: 640,
      height: 360,
      frameRate: { numerator: 25, denominator: 1 }
    }
  ],
  audio: []
}

/** Puts the files of an attempt in place; two of them have the same bytes. */
const anAttempt = Effect.fnUntraced(function* () {
  const media = yield* MediaStore
  const attempt = lease()
  const contents = { "init.mp4": noisy(700), "seg_00000.m4s": noisy(2000), "seg_00001.m4s": noisy(2000) }
  const files = yield* Effect.forEach(Object.entries(contents), ([name, bytes]) =>
    Effect.scoped(
      Effect.gen(function* () {
        const received = yield* receive(bytes)
        yield* media.placePart(received, attempt)
        const facts = { _tag: "Attachment" } as const
        return { rendition, name, bytes: received.bytes, sha256: received.sha256, facts }
      })
    )
  )
  return { attempt, contents, output: { leaseId: attempt, files, languages: {} } satisfies TaskOutput }
})

const treeOf = async (root: string) => {
  const names = (await readdir(root, { recursive: true })).toSorted()
  const entries = await Promise.all(
    names.map(async (name) => {
      const path = join(root, name)
      return (await stat(path)).isDirectory() ? [name] : [name, sha256(await readFile(path))]
    })
  )
  return entries
}

describe("a part", () => {
  it.effect("put twice is one file, in its attempt's own folder", () =>
    inRoot((root) =>
      Effect.gen(function* () {
        const media = yield* MediaStore
        const [mine, other] = [lease(), lease()]
        const bytes = noisy(4000)
        const put = (attempt: LeaseId) =>
          Effect.scoped(Effect.flatMap(receive(bytes), (received) => media.placePart(received, attempt)))
        yield* put(mine)
        yield* put(mine)
        yield* put(other)
        for (const attempt of [mine, other]) {
          assert.deepStrictEqual(readdirSync(join(root, "attempts", attempt)), [sha256(bytes)])
        }
        yield* media.discardAttempt(mine)
        yield* media.discardAttempt(mine)
        assert.deepStrictEqual(readdirSync(join(root, "attempts")), [other])
        assert.deepStrictEqual(readdirSync(join(root, "tmp")), [])
      })
    )
  )
})

describe("a publication", () => {
  it.effect("holds every file and the playlists, and is the same when it is made again", () =>
    inRoot((root) =>
      Effect.gen(function* () {
        const media = yield* MediaStore
        const { attempt, contents, output } = yield* anAttempt()
        yield* media.assemblePublication(attempt, [output], presentation)
        const place = join(root, "published", attempt)
        const first = yield* Effect.promise(() => treeOf(place))
        assert.deepStrictEqual(
          first.map(([name]) => name),
          [
            "360p",
            "360p/init.mp4",
            "360p/seg_00000.m4s",
            "360p/seg_00001.m4s",
            "360p/stream.m3u8",
            "manifest.mpd",
            "master.m3u8"
          ]
        )
        for (const [name, bytes] of Object.entries(contents)) {
          const path = media.publicationPath(attempt, join("360p", name))
          assert.isTrue((yield* Effect.promise(() => readFile(path))).equals(bytes))
        }
        yield* media.assemblePublication(attempt, [output], presentation)
        assert.deepStrictEqual(yield* Effect.promise(() => treeOf(place)), first)
        yield* media.discardAttempt(attempt)
        assert.deepStrictEqual(
          yield* Effect.promise(() => treeOf(place)),
          first,
          "it does not need the attempt any more"
        )
      })
    )
  )

  it.effect("is not made of what is not there", () =>
    inRoot(() =>
      Effect.gen(function* () {
        const media = yield* MediaStore
        const { attempt, output } = yield* anAttempt()
        yield* media.discardAttempt(attempt)
        const error = yield* Effect.flip(media.assemblePublication(attempt, [output], presentation))
        assert.strictEqual(error.reason, "missing")
      })
    )
  )
})

it.effect("the probe of a store that works says so, and leaves nothing", () =>
  inRoot((root) =>
    Effect.gen(function* () {
      const media = yield* MediaStore
      yield* media.probe
      assert.deepStrictEqual(readdirSync(join(root, "tmp")), [])
      yield* Effect.promise(() => rm(join(root, "tmp"), { recursive: true }))
      assert.strictEqual((yield* Effect.flip(media.probe))._tag, "MediaStoreError")
    })
  )
)

/** A disk of one megabyte, where this user may mount one. */
const mountTiny = async () => {
  const place = join(folder, "tiny")
  await mkdir(place)
  try {
    execFileSync("/bin/mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", place], { stdio: "ignore" })
    return place
  } catch {
    return null
  }
}

describe("a disk that is full", () => {
  let tiny: string | null = null

  beforeAll(async () => {
    tiny = await mountTiny()
  })

  afterAll(() => {
    if (tiny !== null) execFileSync("/bin/umount", [tiny])
  })

  it.effect("is called that, not broken, and what did not fit is gone", (test) =>
    Effect.gen(function* () {
      if (tiny === null) return test.skip("only root can mount")
      const media = yield* MediaStore
      const place = tiny
      assert.isAtMost(statfsSync(place).blocks * statfsSync(place).bsize, 1 << 20)
      const error = yield* Effect.flip(Effect.scoped(receive(noisy(2_000_000))))
      if (error._tag !== "MediaStoreError") return assert.fail(error._tag)
      assert.strictEqual(error.reason, "full")
      assert.include(error.message, "free some space")
      assert.deepStrictEqual(readdirSync(join(place, "tmp")), [])
      yield* media.probe
      assert.strictEqual((yield* Effect.scoped(receive(noisy(500_000)))).bytes, 500_000)
    }).pipe((effect) =>
      Effect.suspend(() => Effect.provide(effect, DiskMediaStore.layer({ root: tiny ?? join(folder, "unused") })))
    )
  )
})
