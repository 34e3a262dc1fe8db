import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Layer, Stream } from "effect"
import { createHash } from "node:crypto"
import { afterAll, beforeAll } from "vitest"
import * as Probe from "../../../src/adapters/ffmpeg/Probe.ts"
import * as FfmpegTranscoder from "../../../src/adapters/ffmpeg/Transcoder.ts"
import * as Inspector from "../../../src/adapters/mp4/Inspector.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"
import { Sha256 } from "../../../src/domain/ids.ts"
import { assemble } from "../../../src/domain/jobs/Completion.ts"
import { trackDuration } from "../../../src/domain/media/Presentation.ts"
import type { RegisteredFile } from "../../../src/domain/media/Segment.ts"
import { type TranscodePlan, wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import { MediaProbe } from "../../../src/domain/ports/MediaProbe.ts"
import { SegmentInspector } from "../../../src/domain/ports/SegmentInspector.ts"
import { type TranscodeEvent, Transcoder } from "../../../src/domain/ports/Transcoder.ts"
import { listen, pictureOf, watch } from "../../support/media.ts"
import { makeOddSource, type OddSource } from "../../support/oddSources.ts"

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-transcoder-"))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

type Ready = Extract<TranscodeEvent, { readonly _tag: "FileReady" }>

const register = Effect.fnUntraced(function* (file: Ready) {
  const inspector = yield* SegmentInspector
  const facts = yield* inspector.inspect(file)
  const bytes = yield* Effect.promise(() => readFile(file.path))
  const sha256 = Sha256.make(createHash("sha256").update(bytes).digest("hex"))
  return { rendition: file.rendition, name: file.name, bytes: bytes.length, sha256, facts } satisfies RegisteredFile
})

/** To find the encoders would take longer than to encode, each time. */
const encoder = { name: "libx264", codec: "h264", backend: "software", device: null } as const

/** From the file to a judged presentation, with each rendition as one file to look at. */
const transcode = Effect.fnUntraced(function* (source: string, name: string) {
  const probe = yield* MediaProbe
  const transcoder = yield* Transcoder
  const plan = wholeSource(yield* probe.probe(source), { encoder })
  const out = join(folder, name)
  const files = yield* transcoder.transcode({ plan, source, folder: out }).pipe(
    Stream.filter((event) => event._tag === "FileReady"),
    Stream.mapEffect(register),
    Stream.runCollect
  )
  const languages = Object.fromEntries(plan.audio.map((track) => [track.name, track.language]))
  const presentation = yield* Effect.fromResult(assemble(files, { duration: plan.duration, languages }))
  const wholes = yield* Effect.promise(async () => {
    const found: Record<string, string> = {}
    for (const track of [...presentation.video, ...presentation.audio]) {
      const parts = [track.init, ...track.segments.map((segment) => segment.name)]
      const path = join(out, `${track.name}.mp4`)
      await writeFile(
        path,
        Buffer.concat(await Promise.all(parts.map((part) => readFile(join(out, track.name, part)))))
      )
      found[track.name] = path
    }
    return found
  })
  return { plan, presentation, wholes }
})

/** How light the four quarters of the first picture are: upper left, upper right, lower left, lower right. */
const quarters = async (path: string): Promise<ReadonlyArray<number>> => {
  const { stdout } = await promisify(execFile)(
    "ffmpeg",
    ["-v", "error", "-i", path, ..."-vf scale=2:2:flags=area -frames:v 1 -f rawvideo -pix_fmt gray -".split(" ")],
    { encoding: "buffer" }
  )
  return [...stdout]
}

interface Expected {
  readonly sizes: ReadonlyArray<readonly [number, number]>
  readonly frames: number
  readonly seconds: number
  readonly sounds?: ReadonlyArray<string>
  /** Where the white half of the source is to be seen. */
  readonly white?: "left" | "top"
}

const kinds: Readonly<Partial<Record<OddSource, Expected>>> = {
  plain: { sizes: [[320, 180]], frames: 50, seconds: 2, sounds: ["und"] },
  rotated: { sizes: [[180, 320]], frames: 50, seconds: 2, white: "top" },
  // On the grid of its fast half, until the last picture ends.
  variable: { sizes: [[320, 180]], frames: 116, seconds: 1.9333 },
  late: { sizes: [[320, 180]], frames: 60, seconds: 2.002, sounds: ["und"] },
  interlaced: { sizes: [[320, 240]], frames: 50, seconds: 2 },
  anamorphic: {
    sizes: [
      [1024, 576],
      [854, 480],
      [640, 360]
    ],
    frames: 50,
    seconds: 2
  },
  odd: { sizes: [[320, 180]], frames: 50, seconds: 2 },
  tenBit: { sizes: [[320, 180]], frames: 50, seconds: 2 },
  hlgBare: { sizes: [[320, 180]], frames: 50, seconds: 2 },
  pq: { sizes: [[320, 180]], frames: 50, seconds: 2 },
  fullRange: { sizes: [[320, 180]], frames: 50, seconds: 2 },
  coverFirst: { sizes: [[320, 180]], frames: 50, seconds: 2, sounds: ["und"] },
  longSound: { sizes: [[320, 180]], frames: 125, seconds: 5, sounds: ["und"] },
  // Silence to the end of the pictures; and what is too little to be heard alone is let go.
  shortSound: { sizes: [[320, 180]], frames: 50, seconds: 2, sounds: ["und"] },
  earlySound: { sizes: [[320, 180]], frames: 81, seconds: 3.24, sounds: ["und"] },
  soundTail: { sizes: [[320, 180]], frames: 50, seconds: 2, sounds: ["und"] },
  manySounds: { sizes: [[320, 180]], frames: 50, seconds: 2, sounds: ["de", "fr"] },
  transportStream: { sizes: [[320, 180]], frames: 50, seconds: 2, sounds: ["und"] },
  // A second of pictures, and the sound of half a second before them.
  midGroup: { sizes: [[320, 180]], frames: 38, seconds: 1.52, sounds: ["und"] },
  trimmed: { sizes: [[320, 180]], frames: 37, seconds: 1.48, sounds: ["und"] },
  unknownSound: { sizes: [[320, 180]], frames: 50, seconds: 2, sounds: ["und"] },
  drifting: { sizes: [[320, 180]], frames: 50, seconds: 2, sounds: ["und"] },
  joined: { sizes: [[320, 180]], frames: 100, seconds: 4, sounds: ["und"] },
  unplacedSounds: { sizes: [[320, 180]], frames: 50, seconds: 2, sounds: ["und"] },
  sphere: { sizes: [[320, 180]], frames: 50, seconds: 2, sounds: ["und"] },
  pause: { sizes: [[320, 180]], frames: 750, seconds: 30 },
  resized: { sizes: [[320, 180]], frames: 100, seconds: 4, sounds: ["und"] },
  broadcast: {
    sizes: [
      [768, 576],
      [640, 480],
      [480, 360]
    ],
    frames: 100,
    seconds: 4,
    sounds: ["und"]
  },
  reformatted: { sizes: [[320, 180]], frames: 100, seconds: 4 },
  tower: { sizes: [[64, 2048]], frames: 50, seconds: 2 },
  animation: { sizes: [[320, 180]], frames: 34, seconds: 3.4 },
  single: { sizes: [[320, 180]], frames: 1, seconds: 0.04 }
}

const adapters = Layer.mergeAll(
  Probe.layer,
  Inspector.layer,
  FfmpegTranscoder.layer({ stallAfter: Duration.minutes(1), nvencSessions: null })
).pipe(Layer.provideMerge(Subprocess.layer))

layer(adapters, { excludeTestServices: true, timeout: "60 seconds" })("the transcoder", (it) => {
  for (const [kind, expected] of Object.entries(kinds) as ReadonlyArray<[OddSource, Expected]>) {
    it.effect(
      `makes a whole ladder of a source of the kind ${kind}`,
      () =>
        Effect.gen(function* () {
          const source = yield* Effect.promise(() => makeOddSource(kind, folder))
          const { plan, presentation, wholes } = yield* transcode(source, kind)
          assert.deepStrictEqual(
            presentation.video.map(({ height, width }) => [width, height]),
            expected.sizes.map((size) => [...size])
          )
          assert.deepStrictEqual(
            presentation.audio.map((track) => track.language),
            [...(expected.sounds ?? [])]
          )
          assert.strictEqual(plan.frames, expected.frames)
          for (const track of presentation.video) {
            const path = wholes[track.name]!
            const frame = track.frameRate.denominator / track.frameRate.numerator
            assert.approximately(trackDuration(track), expected.seconds, frame / 2)
            yield* Effect.promise(async () => {
              const { complaints, frames } = await watch(path)
              assert.strictEqual(complaints, "", track.name)
              assert.strictEqual(frames, expected.frames, track.name)
              const picture = await pictureOf(path)
              assert.deepInclude(picture, { width: track.width, height: track.height, pix_fmt: "yuv420p" })
              assert.strictEqual(picture.sample_aspect_ratio, "1:1")
              const [upperLeft, upperRight, lowerLeft] = (await quarters(path)) as [number, number, number]
              assert.isAbove(upperLeft, 190)
              assert.isAbove(expected.white === "top" ? upperRight : lowerLeft, 190)
              assert.isBelow(expected.white === "top" ? lowerLeft : upperRight, 170)
            })
          }
          for (const track of presentation.audio) {
            assert.approximately(trackDuration(track), expected.seconds, 0.05)
            const { complaints, seconds } = yield* Effect.promise(() => listen(wholes[track.name]!))
            assert.strictEqual(complaints, "", track.name)
            assert.approximately(seconds, expected.seconds, 0.05)
          }
        }),
      { timeout: 120_000 }
    )
  }

  const planOf = Effect.fnUntraced(function* (source: string) {
    const probe = yield* MediaProbe
    return wholeSource(yield* probe.probe(source), { encoder })
  })

  const run = Effect.fnUntraced(function* (plan: TranscodePlan, source: string, name: string) {
    const transcoder = yield* Transcoder
    return yield* transcoder.transcode({ plan, source, folder: join(folder, name) }).pipe(Stream.runCollect)
  })

  /** Not the short limit of other tests: each runs ffmpeg several times. */
  const patient = (
    what: string,
    body: () => Effect.Effect<void, unknown, MediaProbe | SegmentInspector | Transcoder>
  ) => it.effect(what, body, { timeout: 120_000 })

  const ask = (program: string, path: string, options: string) =>
    Effect.promise(async () => {
      const { stdout } = await promisify(execFile)(program, ["-v", "error", "-i", path, ...options.split(" ")], {
        encoding: "buffer"
      })
      return stdout
    })

  const coloursOf = (path: string) =>
    ask("ffprobe", path, "-show_entries stream=color_space,color_transfer,color_primaries -of csv=p=0").pipe(
      Effect.map((stdout) => stdout.toString().trim())
    )

  /** The first of the pixels of 2 by 2 somewhere in the middle. */
  const pixelOf = (path: string, format: string) =>
    ask("ffmpeg", path, `-frames:v 1 -vf crop=2:2:100:100 -f rawvideo -pix_fmt ${format} -`).pipe(
      Effect.map((bytes) => [bytes[0], bytes[4], bytes[5]])
    )

  const near = (pixel: ReadonlyArray<number | undefined>, wanted: readonly [number, number, number]) =>
    wanted.forEach((value, channel) => assert.approximately(pixel[channel] ?? NaN, value, 2, `channel ${channel}`))

  patient("makes the colours that it names of red, green and blue", () =>
    Effect.gen(function* () {
      const source = yield* Effect.promise(() => makeOddSource("rgb", folder))
      const { wholes } = yield* transcode(source, "rgb")
      assert.strictEqual(yield* coloursOf(wholes["180p"]!), "bt709,bt709,bt709")
      // Red in BT.709; in BT.601 it is 81, 90 and 240.
      near(yield* pixelOf(wholes["180p"]!, "yuv420p"), [63, 102, 240])
    })
  )

  patient("names the colours of a source that does not, in each rendition alike", () =>
    Effect.gen(function* () {
      const plain = yield* Effect.promise(() => makeOddSource("plain", folder))
      const { wholes: small } = yield* transcode(plain, "plain-colours")
      assert.strictEqual(yield* coloursOf(small["180p"]!), "smpte170m,bt709,smpte170m")
      const television = yield* Effect.promise(() => makeOddSource("anamorphic", folder))
      const { wholes } = yield* transcode(television, "television")
      for (const name of ["576p", "480p", "360p"]) {
        assert.strictEqual(yield* coloursOf(wholes[name]!), "smpte170m,bt709,bt470bg", name)
      }
      const hdr = yield* Effect.promise(() => makeOddSource("hlgBare", folder))
      const { wholes: folded } = yield* transcode(hdr, "hlg-bare")
      assert.strictEqual(yield* coloursOf(folded["180p"]!), "bt709,bt709,bt709")
    })
  )

  /** The mean of each channel: the root of that of its squares. */
  const loudness = Effect.fnUntraced(function* (path: string) {
    const samples = yield* ask("ffmpeg", path, "-f s16le -")
    const squares: [number, number] = [0, 0]
    for (let at = 0; at + 3 < samples.length; at += 4) {
      squares[0] += (samples.readInt16LE(at) / 32_768) ** 2
      squares[1] += (samples.readInt16LE(at + 2) / 32_768) ** 2
    }
    return squares.map((sum) => Math.sqrt((sum * 4) / samples.length)) as [number, number]
  })

  patient("hears channels that nobody placed from both sides, and a sphere from where its sounds are", () =>
    Effect.gen(function* () {
      const many = yield* Effect.promise(() => makeOddSource("unplacedSounds", folder))
      const heard = yield* loudness((yield* transcode(many, "unplaced")).wholes["audio-0"]!)
      for (const side of heard) assert.approximately(side, 0.35, 0.03)
      const sphere = yield* Effect.promise(() => makeOddSource("sphere", folder))
      const [left, right] = yield* loudness((yield* transcode(sphere, "sphere-sides")).wholes["audio-0"]!)
      assert.approximately(left, 0.35, 0.03)
      assert.isBelow(right, 0.05)
    })
  )

  patient("shows the whole of a picture that becomes another shape, between bars", () =>
    Effect.gen(function* () {
      const source = yield* Effect.promise(() => makeOddSource("resized", folder))
      const { wholes } = yield* transcode(source, "resized-shape")
      const lines = (seconds: number) =>
        ask(
          "ffmpeg",
          wholes["180p"]!,
          `-ss ${seconds} -frames:v 1 -vf crop=320:2:0:90,scale=32:1 -f rawvideo -pix_fmt gray -`
        )
      const [before, after] = [yield* lines(1), yield* lines(3)]
      assert.isAbove(before[1]!, 200, "white from the left edge")
      // 240 of the 320 columns, of which the left half is white.
      assert.isBelow(after[1]!, 30, "a bar")
      assert.isAbove(after[6]!, 200)
      assert.isAbove(after[14]!, 200)
      assert.isBelow(after[30]!, 30, "a bar")
    })
  )

  patient("makes whole pictures of two fields where only the pictures say that they are", () =>
    Effect.gen(function* () {
      const source = yield* Effect.promise(() => makeOddSource("tape", folder))
      const { wholes } = yield* transcode(source, "tape")
      const { stderr } = yield* Effect.promise(() =>
        promisify(execFile)("ffmpeg", ["-hide_banner", "-i", wholes["576p"]!, ..."-vf idet -f null -".split(" ")])
      )
      const found = /Multi frame detection: TFF:\s*(\d+) BFF:\s*(\d+) Progressive:\s*(\d+)/.exec(stderr)
      const [top, bottom, whole] = (found ?? []).slice(1).map(Number) as [number, number, number]
      assert.isAbove(whole, 45)
      assert.isBelow(top + bottom, 5)
    })
  )

  patient("makes the same bytes again: a repeated task is harmless", () =>
    Effect.gen(function* () {
      const source = yield* Effect.promise(() => makeOddSource("plain", folder))
      const plan = yield* planOf(source)
      const digests = Effect.fnUntraced(function* (name: string) {
        const events = yield* run(plan, source, name)
        const files = yield* Effect.forEach(
          events.filter((event) => event._tag === "FileReady"),
          register
        )
        return files.map((file) => `${file.rendition}/${file.name} ${file.sha256}`).toSorted()
      })
      const first = yield* digests("once")
      assert.isAtLeast(first.length, 4)
      assert.deepStrictEqual(yield* digests("twice"), first)
    })
  )

  patient("tells how far it is, and names a file only when it is whole", () =>
    Effect.gen(function* () {
      const source = yield* Effect.promise(() => makeOddSource("longSound", folder))
      const events = yield* run(yield* planOf(source), source, "events")
      const advances = events.flatMap((event) => (event._tag === "Advanced" ? [event.frames] : []))
      assert.deepStrictEqual(
        advances,
        advances.toSorted((a, b) => a - b)
      )
      assert.strictEqual(advances.at(-1), 125)
      const names = events.flatMap((event) =>
        event._tag === "FileReady" && event.rendition === "180p" ? [event.name] : []
      )
      assert.deepStrictEqual(names, ["init.mp4", "seg_00000.m4s", "seg_00001.m4s"])
    })
  )

  patient("says that the source is to blame for a source that is", () =>
    Effect.gen(function* () {
      const source = yield* Effect.promise(() => makeOddSource("plain", folder))
      const plan = yield* planOf(source)
      const broken = join(folder, "broken.mp4")
      yield* Effect.promise(() => writeFile(broken, "This is no film any more.".repeat(100)))
      const error = yield* Effect.flip(run(plan, broken, "broken"))
      assert.strictEqual(error.reason, "source")
      assert.include(error.message, "The file cannot be decoded: it is damaged, encrypted")
      assert.include(error.details, "Invalid data found")
    })
  )

  patient("does not take sound that was begun anew for the sound of the film", () =>
    Effect.gen(function* () {
      const source = yield* Effect.promise(() => makeOddSource("resounded", folder))
      const error = yield* Effect.flip(run(yield* planOf(source), source, "resounded"))
      assert.strictEqual(error.reason, "source")
      assert.include(error.message, "changes its channels or its sampling rate in the middle")
    })
  )

  patient("writes one picture as a poster", () =>
    Effect.gen(function* () {
      const transcoder = yield* Transcoder
      const inspector = yield* SegmentInspector
      for (const kind of ["plain", "single", "rotated", "longSound"] as const) {
        const source = yield* Effect.promise(() => makeOddSource(kind, folder))
        const path = join(folder, `${kind}.jpg`)
        yield* transcoder.poster({ plan: yield* planOf(source), source, path })
        assert.deepStrictEqual(yield* inspector.inspect({ name: "poster.jpg", path }), { _tag: "Attachment" })
        const { height, width } = yield* Effect.promise(() => pictureOf(path))
        assert.deepStrictEqual([width, height], kind === "rotated" ? [180, 320] : [320, 180])
      }
    })
  )

  patient("gives the poster the colours that a JPEG has", () =>
    Effect.gen(function* () {
      const transcoder = yield* Transcoder
      for (const kind of ["redHd", "rgb"] as const) {
        const source = yield* Effect.promise(() => makeOddSource(kind, folder))
        const path = join(folder, `${kind}.jpg`)
        yield* transcoder.poster({ plan: yield* planOf(source), source, path })
        // Red in BT.601 and full range.
        near(yield* pixelOf(path, "yuvj420p"), [76, 85, 255])
      }
    })
  )
})
