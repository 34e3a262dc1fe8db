import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as Inspector from "../../../src/adapters/mp4/Inspector.ts"
import { SegmentInspector } from "../../../src/domain/ports/SegmentInspector.ts"
import { ffmpegWith, packetsOf } from "../../support/media.ts"

let folder: string

const at = (name: string) => join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-inspector-"))
  const hls = (kind: string) =>
    `-f hls -hls_time 2 -hls_list_size 0 -hls_segment_type fmp4 -hls_fmp4_init_filename ${kind}-init.mp4 ` +
    `-hls_segment_options movflags=+frag_discont -hls_segment_filename ${at(kind)}-%d.m4s`
  const source = "-f lavfi -i testsrc2=s=320x180:r=25:d=5 -f lavfi -i sine=d=5:r=48000"
  const h264 = "-c:v libx264 -preset veryfast -profile:v high -g 50 -avoid_negative_ts disabled"
  await ffmpegWith(`${source} -map 0:v ${h264} ${hls("video")}`, at("video.m3u8"))
  await ffmpegWith(`${source} -map 1:a -c:a aac -ac 2 ${hls("audio")}`, at("audio.m3u8"))
  await ffmpegWith("-f lavfi -i testsrc2=s=64x64 -frames:v 1", at("picture.jpg"))
  await ffmpegWith("-f lavfi -i testsrc2=s=64x64 -frames:v 1", at("picture.png"))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const inspect = (name: string, file: string) =>
  Effect.flatMap(SegmentInspector, (inspector) => inspector.inspect({ name, path: at(file) }))

const made = (file: string, content: string | Uint8Array) => Effect.promise(() => writeFile(at(file), content))

layer(Inspector.layer)("the inspector", (it) => {
  it.effect("reads what an init segment promises", () =>
    Effect.gen(function* () {
      const video = yield* inspect("init.mp4", "video-init.mp4")
      assert.deepInclude(video, { _tag: "VideoInit", width: 320, height: 180 })
      assert.match(video._tag === "VideoInit" ? video.codecs : "", /^avc1\.64[0-9A-Fa-f]{4}$/)
      const audio = yield* inspect("init.mp4", "audio-init.mp4")
      assert.deepInclude(audio, {
        _tag: "AudioInit",
        codecs: "mp4a.40.2",
        timescale: 48_000,
        sampleRate: 48_000,
        channels: 2
      })
    })
  )

  it.effect("reads when each segment starts and how long it lasts, as ffprobe sees it", () =>
    Effect.gen(function* () {
      const init = yield* inspect("init.mp4", "video-init.mp4")
      const timescale = init._tag === "VideoInit" ? init.timescale : 0
      for (const [index, frames] of [50, 50, 25].entries()) {
        const facts = yield* inspect("seg_00000.m4s", `video-${index}.m4s`)
        assert.deepStrictEqual(facts, {
          _tag: "MediaSegment",
          decodeTime: index * 2 * timescale,
          duration: (frames * timescale) / 25,
          samples: frames,
          startsWithKeyframe: true
        })
        const bytes = yield* Effect.promise(() =>
          Promise.all([at("video-init.mp4"), at(`video-${index}.m4s`)].map((path) => readFile(path)))
        )
        yield* made("joined.mp4", Buffer.concat(bytes))
        assert.strictEqual((yield* Effect.promise(() => packetsOf(at("joined.mp4"), "v:0"))).length, frames)
      }
      let expected = 0
      for (const index of [0, 1, 2]) {
        const facts = yield* inspect("seg_00001.m4s", `audio-${index}.m4s`)
        if (facts._tag !== "MediaSegment") return assert.fail(facts._tag)
        if (index > 0) assert.strictEqual(facts.decodeTime, expected)
        expected = facts.decodeTime + facts.duration
      }
    })
  )

  it.effect("sees that a segment does not start with a keyframe", () =>
    Effect.gen(function* () {
      const source = "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -c:v libx264 -preset ultrafast -g 1000 -keyint_min 1000"
      const cut = `-f hls -hls_time 1 -hls_flags split_by_time -hls_segment_type fmp4 -hls_segment_filename ${at("open")}-%d.m4s`
      yield* Effect.promise(() => ffmpegWith(`${source} -sc_threshold 0 ${cut}`, at("open.m3u8")))
      assert.deepInclude(yield* inspect("seg_00000.m4s", "open-0.m4s"), { startsWithKeyframe: true })
      assert.deepInclude(yield* inspect("seg_00001.m4s", "open-1.m4s"), { startsWithKeyframe: false })
    })
  )

  it.effect("takes a JPEG for a poster, and nothing else", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* inspect("poster.jpg", "picture.jpg"), { _tag: "Attachment" })
      for (const file of ["picture.png", "video-0.m4s", "video-init.mp4"]) {
        assert.include((yield* Effect.flip(inspect("poster.jpg", file))).message, "no JPEG")
      }
    })
  )

  it.effect("refuses what is not what its name says", () =>
    Effect.gen(function* () {
      yield* made("empty", "")
      yield* made("text", "This is no film.\n".repeat(100))
      yield* made("zeros", new Uint8Array(5000))
      for (const file of ["empty", "text", "zeros", "picture.jpg", "missing"]) {
        for (const name of ["init.mp4", "seg_00000.m4s"]) {
          const error = yield* Effect.flip(inspect(name, file))
          assert.strictEqual(error._tag, "NotASegment", `${file} as ${name}`)
          assert.include(error.message, name)
        }
      }
      assert.strictEqual((yield* Effect.flip(inspect("seg_00000.m4s", "video-init.mp4")))._tag, "NotASegment")
      assert.strictEqual((yield* Effect.flip(inspect("init.mp4", "video-0.m4s")))._tag, "NotASegment")
      assert.strictEqual((yield* Effect.flip(inspect("other.mp4", "video-init.mp4")))._tag, "NotASegment")
    })
  )

  it.effect("refuses a file that was cut short, wherever it was cut", () =>
    Effect.gen(function* () {
      for (const [name, file] of [
        ["init.mp4", "video-init.mp4"],
        ["seg_00000.m4s", "video-0.m4s"],
        ["seg_00000.m4s", "audio-1.m4s"]
      ] as const) {
        const bytes = yield* Effect.promise(() => readFile(at(file)))
        const lengths = [
          1,
          7,
          8,
          9,
          100,
          ...[0.1, 0.25, 0.5, 0.75, 0.9].map((share) => Math.floor(bytes.length * share))
        ]
        for (const length of [...lengths, bytes.length - 1].filter((length) => length < bytes.length)) {
          yield* made("cut", bytes.subarray(0, length))
          const error = yield* Effect.flip(inspect(name, "cut"))
          assert.strictEqual(error._tag, "NotASegment", `${file}: ${length} of ${bytes.length}`)
        }
        yield* made("longer", Buffer.concat([bytes, Buffer.from("and more")]))
        assert.strictEqual((yield* Effect.flip(inspect(name, "longer")))._tag, "NotASegment", `${file} with a tail`)
      }
    })
  )
})
