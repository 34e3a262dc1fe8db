import { createHash } from "node:crypto"
import { mkdtempSync } from "node:fs"
import { appendFile, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Stream, SubscriptionRef } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as Probe from "../../../src/adapters/ffmpeg/Probe.ts"
import * as FfmpegTranscoder from "../../../src/adapters/ffmpeg/Transcoder.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"
import { Sha256 } from "../../../src/domain/ids.ts"
import type { ArrivingSource } from "../../../src/domain/media/ArrivingSource.ts"
import type { SourcePrefix } from "../../../src/domain/media/Segment.ts"
import { wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import { MediaProbe } from "../../../src/domain/ports/MediaProbe.ts"
import { Transcoder } from "../../../src/domain/ports/Transcoder.ts"
import { ffmpegWith } from "../../support/media.ts"

const folder = mkdtempSync(join(tmpdir(), "vlog-arriving-"))
const at = (name: string) => join(folder, name)
const film = at("film.mp4")
const noisy = at("noisy.mp4")

/** Both with B-frames and sound: three segments, and a few seconds of more than `foresee` wants. */
beforeAll(async () => {
  const codecs = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -bf 2 -g 40 -c:a aac -movflags +faststart"
  const sound = "-f lavfi -i sine=f=440:r=48000:d=10"
  await ffmpegWith(`-f lavfi -i testsrc2=s=320x180:r=15:d=10 ${sound} ${codecs}`, film)
  await ffmpegWith(`-f lavfi -i testsrc2=s=640x360:r=15:d=7,noise=alls=60:allf=t ${sound} ${codecs} -crf 10`, noisy)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** Longer than anything here takes, but for what waits. */
const stallAfter = Duration.seconds(3)

const layers = Layer.mergeAll(Probe.layer, FfmpegTranscoder.layer({ stallAfter })).pipe(Layer.provide(Subprocess.layer))

/** A file of which nothing is here, and the bytes to come. */
const arriving = Effect.fnUntraced(function* (original: string, spoil = false) {
  const bytes = yield* Effect.promise(() => readFile(original))
  const sha256 = Sha256.make(createHash("sha256").update(bytes).digest("hex"))
  if (spoil) bytes[bytes.length - 2000]! ^= 1
  const path = `${original}.arriving`
  yield* Effect.promise(() => writeFile(path, ""))
  const arrived = yield* SubscriptionRef.make(0)
  const source: ArrivingSource = {
    path,
    bytes: bytes.length,
    sha256,
    beyond: (position) =>
      SubscriptionRef.changes(arrived).pipe(
        Stream.filter((count) => count > position),
        Stream.runHead,
        Effect.map(() => SubscriptionRef.getUnsafe(arrived))
      )
  }
  const arrive = Effect.fnUntraced(function* (share: number) {
    const before = yield* SubscriptionRef.get(arrived)
    const now = Math.round(bytes.length * share)
    yield* Effect.promise(() => appendFile(path, bytes.subarray(before, now)))
    yield* SubscriptionRef.set(arrived, now)
  })
  return { source, arrive }
})

const encoder = { name: "libx264", codec: "h264", backend: "software", device: null } as const

const made = async (place: string) => {
  const names = (await readdir(place, { recursive: true })).filter((name) => /\.(mp4|m4s)$/.test(name)).toSorted()
  const digest = async (name: string) =>
    createHash("sha256")
      .update(await readFile(join(place, name)))
      .digest("hex")
  return Promise.all(names.map(async (name) => `${name} ${await digest(name)}`))
}

layer(layers, { excludeTestServices: true })("a source that is still arriving", (it) => {
  it.effect("is foreseen from its beginning as it will be found to be", () =>
    Effect.gen(function* () {
      const probe = yield* MediaProbe
      const { arrive, source } = yield* arriving(noisy)
      const foreseen = yield* Effect.forkChild(probe.foresee(source))
      yield* arrive(0.6)
      assert.deepStrictEqual(yield* Fiber.join(foreseen), yield* probe.probe(noisy))
      const left = yield* Effect.promise(() => readdir(folder))
      assert.isEmpty(left.filter((name) => name.endsWith(".outline")))
    })
  )

  it.effect("is not foreseen where the index is at the end, comes in pieces, or is none", () =>
    Effect.gen(function* () {
      const others = [
        ["-c copy", "late.mp4"],
        ["-c copy -movflags +frag_keyframe+empty_moov", "fragmented.mp4"],
        ["-c copy -movflags +frag_keyframe", "both.mp4"],
        ["-c copy", "film.mkv"]
      ] as const
      for (const [how, name] of others) {
        yield* Effect.promise(() => ffmpegWith(`-i ${film} ${how}`, at(name)))
        const { arrive, source } = yield* arriving(at(name))
        yield* arrive(1)
        assert.isNull(yield* (yield* MediaProbe).foresee(source), name)
      }
    })
  )

  it.effect(
    "becomes the very files that the whole becomes, the first before the last of it is there",
    () =>
      Effect.gen(function* () {
        const transcoder = yield* Transcoder
        // Several of x264's do not make the same twice, wherever the source comes from.
        const plan = wholeSource(yield* (yield* MediaProbe).probe(film), { encoder, threads: 1 })
        const { arrive, source } = yield* arriving(film)
        yield* arrive(0.75)
        const order: Array<string> = []
        const prefixes: Array<SourcePrefix> = []
        yield* transcoder.transcode({ plan, source, folder: at("early") }).pipe(
          Stream.filter((event) => event._tag === "FileReady"),
          Stream.tap(({ prefix }) => Effect.sync(() => prefix !== undefined && prefixes.push(prefix))),
          Stream.filter(({ name }) => name.endsWith(".m4s")),
          Stream.mapEffect(() =>
            order.push("segment") === 1
              ? Effect.forkChild(
                  // Longer than an encoder may stand still.
                  Effect.delay(
                    Effect.andThen(
                      Effect.sync(() => order.push("arrived")),
                      arrive(1)
                    ),
                    Duration.sum(stallAfter, Duration.seconds(1))
                  )
                )
              : Effect.void
          ),
          Stream.runDrain
        )
        assert.strictEqual(order[0], "segment")
        assert.include(order, "arrived")
        yield* Stream.runDrain(transcoder.transcode({ plan, source: film, folder: at("whole") }))
        const [early, whole] = yield* Effect.promise(() => Promise.all([made(at("early")), made(at("whole"))]))
        assert.deepStrictEqual(early, whole)
        assert.lengthOf(whole, 4 * (plan.video.length + plan.audio.length))

        const bytes = yield* Effect.promise(() => readFile(film))
        assert.lengthOf(prefixes, whole.length)
        for (const { bytes: length, sha256 } of prefixes) {
          assert.strictEqual(sha256, createHash("sha256").update(bytes.subarray(0, length)).digest("hex"))
        }
        const lengths = prefixes.map((prefix) => prefix.bytes)
        assert.isAtMost(lengths[0]!, 0.75 * bytes.length + 1)
        assert.strictEqual(lengths.at(-1), bytes.length)
      }),
    60_000
  )

  it.effect(
    "fails the encode where it is not in the end what it should be",
    () =>
      Effect.gen(function* () {
        const plan = wholeSource(yield* (yield* MediaProbe).probe(film), { encoder })
        const { arrive, source } = yield* arriving(film, true)
        yield* arrive(1)
        const transcoder = yield* Transcoder
        const error = yield* Effect.flip(Stream.runDrain(transcoder.transcode({ plan, source, folder: at("spoiled") })))
        assert.strictEqual(error.reason, "source")
        assert.include(error.message, "is not the source")
      }),
    60_000
  )
})
