/** Real pictures of 10 bit, from the probe to what a player decodes. */
import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Layer, Stream } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as Probe from "../../../src/adapters/ffmpeg/Probe.ts"
import * as FfmpegTranscoder from "../../../src/adapters/ffmpeg/Transcoder.ts"
import * as Inspector from "../../../src/adapters/mp4/Inspector.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"
import type { VideoCodec } from "../../../src/domain/media/Codec.ts"
import { anyBackend, encoderChain } from "../../../src/domain/media/EncoderSelection.ts"
import { wholeSource } from "../../../src/domain/media/TranscodePlan.ts"
import { MediaProbe } from "../../../src/domain/ports/MediaProbe.ts"
import { SegmentInspector } from "../../../src/domain/ports/SegmentInspector.ts"
import { Transcoder } from "../../../src/domain/ports/Transcoder.ts"
import { makeOddSource } from "../../support/oddSources.ts"
import { watch } from "../../support/media.ts"

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "vlog-depth-"))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const adapters = Layer.mergeAll(
  Probe.layer,
  Inspector.layer,
  FfmpegTranscoder.layer({ stallAfter: Duration.minutes(1) })
).pipe(Layer.provideMerge(Subprocess.layer))

const pictureOf = async (path: string) => {
  const entries = "stream=codec_name,profile,pix_fmt,color_space,color_transfer,color_primaries,codec_tag_string"
  const { stdout } = await promisify(execFile)("ffprobe", [
    ..."-v error -of json -select_streams v:0 -show_entries".split(" "),
    entries,
    path
  ])
  return (JSON.parse(stdout) as { streams: ReadonlyArray<Record<string, string>> }).streams[0]!
}

/** What becomes of a source of each kind, in the words of ffprobe and of RFC 6381. */
const cases: ReadonlyArray<{
  readonly kind: "tenBit" | "pq"
  readonly codec: VideoCodec
  readonly encoder: string
  readonly picture: Readonly<Record<string, string>>
  readonly codecs: RegExp
}> = [
  {
    kind: "tenBit",
    codec: "hevc",
    encoder: "libx265",
    picture: { codec_name: "hevc", profile: "Main 10", pix_fmt: "yuv420p10le", codec_tag_string: "hvc1" },
    codecs: /^hvc1\.2\.4\.L\d+/
  },
  {
    kind: "tenBit",
    codec: "av1",
    encoder: "libsvtav1",
    picture: { codec_name: "av1", profile: "Main", pix_fmt: "yuv420p10le" },
    codecs: /^av01\.0\.\d\dM\.10/
  },
  {
    kind: "tenBit",
    codec: "h264",
    encoder: "libx264",
    picture: { codec_name: "h264", profile: "High", pix_fmt: "yuv420p" },
    codecs: /^avc1\.6400/
  },
  {
    // Folded into standard range, and said to be so: the curve of HDR on such pictures looks washed out.
    kind: "pq",
    codec: "hevc",
    encoder: "libx265",
    picture: { profile: "Main 10", pix_fmt: "yuv420p10le", color_transfer: "bt709", color_primaries: "bt709" },
    codecs: /^hvc1\.2\.4\.L\d+/
  }
]

layer(adapters, { excludeTestServices: true, timeout: "60 seconds" })("a source of 10 bit", (it) => {
  it.effect(
    "is made into what players have",
    () =>
      Effect.gen(function* () {
        const { encoders } = yield* (yield* Transcoder).detect
        for (const { codec, codecs, encoder: name, kind, picture } of cases) {
          const what = `${kind} into ${codec}`
          const path = yield* Effect.promise(() => makeOddSource(kind, folder))
          const source = yield* (yield* MediaProbe).probe(path)
          assert.strictEqual(source.video.bitDepth, 10)
          const [encoder] = encoderChain({ codec, depth: source.video.bitDepth }, encoders, anyBackend)
          assert.strictEqual(encoder?.name, name)
          // Its preset depends on it.
          if (name === "libsvtav1") assert.isAtLeast(encoder?.release ?? 0, 1)
          const plan = wholeSource(source, { encoder: encoder! })
          const out = join(folder, what)
          yield* Stream.runDrain((yield* Transcoder).transcode({ plan, source: path, folder: out }))
          const at = (name: string) => join(out, plan.video[0]!.name, name)
          const facts = yield* (yield* SegmentInspector).inspect({ name: "init.mp4", path: at("init.mp4") })
          assert.match(facts._tag === "VideoInit" ? facts.codecs : "", codecs, what)
          const whole = join(out, "whole.mp4")
          yield* Effect.promise(async () => {
            const parts = await Promise.all(["init.mp4", "seg_00000.m4s"].map((part) => readFile(at(part))))
            await writeFile(whole, Buffer.concat(parts))
            assert.deepInclude(await pictureOf(whole), picture, what)
            const { complaints, frames } = await watch(whole)
            assert.strictEqual(complaints, "", what)
            assert.strictEqual(frames, plan.frames, what)
          })
        }
      }),
    { timeout: 120_000 }
  )
})
