import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { afterAll, beforeAll, vi } from "vitest"
import * as Probe from "../../../src/adapters/ffmpeg/Probe.ts"
import { toSource } from "../../../src/adapters/ffmpeg/ProbeOutput.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"
import { toNumber } from "../../../src/domain/media/FrameRate.ts"
import { displaySize, objection, type Source } from "../../../src/domain/media/Source.ts"
import { MediaProbe } from "../../../src/domain/ports/MediaProbe.ts"
import { ffmpegWith } from "../../support/media.ts"
import { makeOddSource, type OddSource } from "../../support/oddSources.ts"

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-probe-"))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const approximately = (actual: number, expected: number, within = 0.002) =>
  assert.approximately(actual, expected, within)

const expected: Readonly<Record<OddSource, (source: Source) => void>> = {
  plain: ({ audio, container, video }) => {
    assert.include(container, "mp4")
    assert.deepInclude(video, {
      codec: "h264",
      width: 320,
      height: 180,
      frames: 50,
      rotation: 0,
      bitDepth: 8,
      start: 0
    })
    assert.deepInclude(video, { constantFrameRate: true, fullRange: false, dynamicRange: "sdr", pixelAspect: 1 })
    assert.strictEqual(toNumber(video.nominalFrameRate), 25)
    approximately(video.duration, 2)
    assert.strictEqual(audio.length, 1)
    assert.deepInclude(audio[0], { codec: "aac", channels: 1, sampleRate: 48000, language: "und" })
    approximately(audio[0]!.duration!, 2, 0.05)
  },
  rotated: ({ audio, video }) => {
    assert.deepInclude(video, { width: 320, height: 180, rotation: 90, oriented: true })
    assert.deepStrictEqual(displaySize(video), { width: 180, height: 320 })
    assert.deepStrictEqual(audio, [])
  },
  variable: ({ video }) => {
    assert.isFalse(video.constantFrameRate)
    assert.strictEqual(video.frames, 72)
    assert.approximately(toNumber(video.usualFrameRate), 60, 0.1)
  },
  thinned: ({ video }) => assert.approximately(toNumber(video.usualFrameRate), 40, 0.5),
  late: ({ video }) => {
    assert.isTrue(video.constantFrameRate, "whole milliseconds hide no constant rate")
    assert.deepStrictEqual(video.nominalFrameRate, { numerator: 30_000, denominator: 1001 })
    assert.strictEqual(video.frames, 60)
    assert.isBelow(video.promised - video.start - video.duration, 0.1, "nothing is missing from it")
  },
  interlaced: ({ video }) => {
    assert.strictEqual(video.fieldOrder, "interlaced")
    assert.strictEqual(video.frames, 50)
  },
  anamorphic: ({ video }) => {
    approximately(video.pixelAspect, 64 / 45)
    assert.deepStrictEqual(displaySize(video), { width: 1024, height: 576 })
  },
  odd: ({ video }) => assert.deepInclude(video, { width: 321, height: 181, pixelFormat: "yuv444p" }),
  tenBit: ({ video }) => assert.deepInclude(video, { bitDepth: 10, dynamicRange: "sdr" }),
  pq: ({ video }) => assert.deepInclude(video, { codec: "hevc", bitDepth: 10, dynamicRange: "pq" }),
  hlgBare: ({ video }) => {
    assert.deepStrictEqual(video.colours, { matrix: null, primaries: null, transfer: "arib-std-b67" })
    assert.strictEqual(video.dynamicRange, "hlg")
  },
  redHd: ({ video }) =>
    assert.deepStrictEqual(video.colours, { matrix: "bt709", primaries: "bt709", transfer: "bt709" }),
  rgb: ({ video }) => assert.strictEqual(video.pixelFormat, "gbrp"),
  fullRange: ({ video }) => assert.isTrue(video.fullRange),
  coverFirst: ({ audio, video }) => {
    assert.deepInclude(video, { index: 1, codec: "h264", width: 320, frames: 50 })
    assert.strictEqual(audio[0]?.index, 2)
  },
  longSound: ({ audio, video }) => {
    approximately(video.duration, 2)
    approximately(audio[0]!.duration!, 5, 0.05)
  },
  shortSound: ({ audio }) => approximately(audio[0]!.duration!, 1, 0.05),
  earlySound: ({ audio, video }) => {
    assert.strictEqual(video.frames, 50)
    approximately(video.start - audio[0]!.start, 1.2, 0.03)
  },
  soundTail: ({ audio }) => approximately(audio[0]!.duration!, 2.4, 0.05),
  manySounds: ({ audio }) =>
    assert.deepStrictEqual(
      audio.map(({ channels, language, sampleRate }) => ({ channels, language, sampleRate })),
      [
        { channels: 1, language: "de", sampleRate: 48_000 },
        { channels: 6, language: "fr", sampleRate: 44_100 }
      ]
    ),
  unplacedSounds: ({ audio }) => assert.deepInclude(audio[0], { channels: 9, arrangement: "unknown" }),
  sphere: ({ audio }) => assert.deepInclude(audio[0], { channels: 4, arrangement: "sphere" }),
  secondSound: ({ audio }) =>
    assert.deepStrictEqual(
      audio.map(({ index, language }) => ({ index, language })),
      [
        { index: 2, language: "fr" },
        { index: 1, language: "de" }
      ]
    ),
  transportStream: ({ audio, video }) => {
    assert.strictEqual(video.frames, 50)
    assert.isTrue(video.constantFrameRate)
    assert.isBelow(Math.abs(video.start), 0.1, "times count from the start of the file, not from 1.4 s")
    assert.isBelow(Math.abs(audio[0]!.start), 0.1)
    approximately(video.duration, 2, 0.05)
  },
  // Cut half a second into the first group of pictures: the rest of it cannot be shown.
  midGroup: ({ video }) => {
    assert.strictEqual(video.frames, 25)
    approximately(video.duration, 1)
    approximately(video.promised, video.start + 1, 0.05)
  },
  trimmed: ({ video }) => {
    assert.strictEqual(video.frames, 37)
    approximately(video.duration, 1.48)
    approximately(video.start, 0, 0.03)
  },
  unknownSound: ({ audio }) =>
    assert.deepStrictEqual(
      audio.map(({ codec, index }) => ({ codec, index })),
      [{ codec: "aac", index: 1 }]
    ),
  drifting: ({ audio }) => approximately(audio[0]!.duration!, 2.01, 0.05),
  joined: ({ audio, video }) => {
    assert.strictEqual(video.frames, 100)
    assert.isTrue(video.constantFrameRate)
    approximately(video.duration, 4, 0.05)
    approximately(audio[0]!.duration!, 4, 0.1)
  },
  pause: ({ video }) => {
    assert.strictEqual(video.frames, 50)
    assert.isFalse(video.constantFrameRate)
    approximately(video.duration, 30, 0.05)
    approximately(toNumber(video.usualFrameRate), 25)
  },
  // Less than two hundredths are shown as ten by browsers, and by ffmpeg.
  animation: ({ video }) => {
    assert.deepInclude(video, { codec: "gif", frames: 20 })
    approximately(video.duration, 19 * 0.1 + 1.5)
  },
  tape: ({ video }) => assert.deepInclude(video, { codec: "dvvideo", fieldOrder: "unknown" }),
  resized: ({ video }) => {
    assert.deepInclude(video, { width: 320, height: 180, frames: 100 })
    approximately(toNumber(video.usualFrameRate), 25, 0.01)
  },
  broadcast: ({ video }) => assert.deepInclude(video, { width: 720, fieldOrder: "interlaced", frames: 100 }),
  reformatted: ({ video }) => assert.deepInclude(video, { pixelFormat: "yuv420p", frames: 100 }),
  resounded: ({ audio, video }) => {
    assert.strictEqual(video.frames, 100)
    approximately(audio[0]!.duration!, 4, 0.1)
  },
  tower: ({ video }) => assert.deepStrictEqual(displaySize(video), { width: 64, height: 2048 }),
  single: ({ video }) => {
    assert.strictEqual(video.frames, 1)
    approximately(video.duration, 0.04)
  }
}

const probe = (path: string) => Effect.flatMap(MediaProbe, (probe) => probe.probe(path))

layer(Probe.layer.pipe(Layer.provideMerge(Subprocess.layer)), { excludeTestServices: true })("the probe", (it) => {
  for (const [kind, check] of Object.entries(expected) as ReadonlyArray<[OddSource, (source: Source) => void]>) {
    it.effect(
      `describes a source of the kind ${kind}`,
      () =>
        Effect.gen(function* () {
          const path = yield* Effect.promise(() => makeOddSource(kind, folder))
          const source = yield* probe(path)
          check(source)
          assert.isNull(objection(source))
        }),
      { timeout: 60_000 }
    )
  }

  /** A playlist that is called a film must not make ffprobe read another file of this machine. */
  it.effect.each([
    ["a playlist", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nSECRET\n#EXT-X-ENDLIST\n"],
    ["a list to concatenate", "ffconcat version 1.0\nfile 'SECRET'\n"],
    ["a text", "This is no film.\n".repeat(100)]
  ] as const)("rejects %s that is called a film", ([what, text]) =>
    Effect.gen(function* () {
      const secret = yield* Effect.promise(() => makeOddSource("plain", folder))
      const path = join(folder, `${what.replaceAll(" ", "-")}.mp4`)
      yield* Effect.promise(() => writeFile(path, text.replace("SECRET", secret)))
      const error = yield* Effect.flip(probe(path))
      assert.strictEqual(error._tag, "SourceRejected")
      assert.include(error.message, "The file is not a video")
      assert.notInclude(error.message, folder, "a path of this machine tells an uploader nothing")
    })
  )

  /** Nobody can mend what is not named. */
  it.effect.each([
    ["nothing.mp4", null, "The file is empty"],
    ["picture.png", "-f lavfi -i color=red:s=64x64 -frames:v 1", "not a video, but a picture"],
    ["picture.webp", "-f lavfi -i color=red:s=64x64 -frames:v 1", "not a video, but a picture"],
    ["still.gif", "-f lavfi -i color=red:s=64x64 -frames:v 1", "The file has no moving pictures"],
    ["sound.mp3", "-f lavfi -i sine=d=1", "not a video, but sound"],
    ["sound.m4a", "-f lavfi -i sine=d=1", "The file has sound, but no moving pictures"],
    ["words.srt", null, "not a video, but subtitles"]
  ] as const)("says what %s is", ([name, options, said]) =>
    Effect.gen(function* () {
      const path = join(folder, name)
      const text = name.endsWith("srt") ? "1\n00:00:00,000 --> 00:00:01,000\nHello\n" : ""
      if (options === null) yield* Effect.promise(() => writeFile(path, text))
      else yield* Effect.promise(() => ffmpegWith(options, path))
      const error = yield* Effect.flip(probe(path))
      assert.strictEqual(error._tag, "SourceRejected")
      assert.include(error.message, said)
    })
  )

  it.effect.each([
    ["a library of ffprobe's is missing", "ffprobe: error while loading shared libraries: libavformat.so.59", 127],
    ["the machine grants no more sandboxes", "bwrap: Creating new namespace failed: No space left on device", 1]
  ] as const)("blames no file where %s", ([, words, code]) =>
    Effect.gen(function* () {
      const programs = join(folder, `programs-${code}`)
      yield* Effect.promise(async () => {
        await mkdir(programs)
        await writeFile(join(programs, "ffprobe"), `#!/bin/sh\necho '${words}' >&2\nexit ${code}\n`, { mode: 0o755 })
        await ffmpegWith("-f lavfi -i color=red:s=64x64:d=1 -c:v libx264", join(programs, "film.mp4"))
      })
      vi.stubEnv("PATH", `${programs}${delimiter}${process.env["PATH"]}`)
      const error = yield* Effect.flip(probe(join(programs, "film.mp4"))).pipe(
        Effect.ensuring(Effect.sync(() => vi.unstubAllEnvs()))
      )
      assert.strictEqual(error._tag, "ProbeUnavailable")
      assert.include(error.message, words)
    })
  )

  it("leaves out sound that ffmpeg has a name for and no decoder, as version 9 has of spatial sound", () => {
    const packets = { times: [0, 0.021], last: 0.042, latest: 0.021, opened: 0, next: 0.042 }
    const stereo = { codec_type: "audio", channels: 2, sample_rate: 48000 }
    const source = toSource(
      {
        streams: [
          { index: 0, codec_type: "video", codec_name: "h264" },
          { ...stereo, index: 1, codec_name: "aac", sample_fmt: "fltp" },
          { ...stereo, index: 2, codec_name: "apple_apac" }
        ],
        format: { format_name: "mov,mp4,m4a,3gp,3g2,mj2" }
      },
      new Map([0, 1, 2].map((index) => [index, packets])),
      1000
    )
    assert.deepStrictEqual(
      source?.audio.map(({ index }) => index),
      [1]
    )
  })

  it.effect("says that it could not look where there is no file: that is no fault of the file", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(probe(join(folder, "missing.mp4")))
      assert.strictEqual(error._tag, "ProbeUnavailable")
      assert.include(error.message, "missing.mp4")
    })
  )
})
