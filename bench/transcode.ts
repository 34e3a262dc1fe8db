/**
 * The pipeline against the common way (one ffmpeg a rendition, each decoding again), one after the other and all at
 * once, and against the floor (what decoding, scaling, encoding and the sound cost by themselves): same source, encoder,
 * preset and quality, in one run, in turns. Processor seconds are the figure to trust; wall clock only between neighbours.
 *
 *     node bench/transcode.ts                           20 s of 1080p, libx264, 1 round
 *     node bench/transcode.ts --seconds 60 --rounds 3 --encoder libsvtav1
 *     node bench/transcode.ts --preset veryfast         another preset, on both sides
 *     node bench/transcode.ts --source film.mp4         a video of your own
 */
import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Duration, Effect, Layer, Stream } from "effect"
import { transcodeArguments } from "../src/adapters/ffmpeg/Arguments.ts"
import * as Probe from "../src/adapters/ffmpeg/Probe.ts"
import { sampleVideoArguments } from "../src/adapters/ffmpeg/SampleVideo.ts"
import * as FfmpegTranscoder from "../src/adapters/ffmpeg/Transcoder.ts"
import { Subprocess } from "../src/adapters/process/Subprocess.ts"
import type { VideoCodec } from "../src/domain/media/Codec.ts"
import type { TranscodePlan } from "../src/domain/media/TranscodePlan.ts"
import { wholeSource } from "../src/domain/media/TranscodePlan.ts"
import { MediaProbe } from "../src/domain/ports/MediaProbe.ts"
import { Transcoder } from "../src/domain/ports/Transcoder.ts"
import { type Cost, measured, watched } from "./support/cost.ts"
import { options } from "./support/options.ts"
import { measure } from "./support/quality.ts"

/** Without a `source` a film is made, and without a `preset` it is that of the encoder's policy. */
const { encoder, preset, rounds, seconds, ...told } = options({
  seconds: 20,
  rounds: 1,
  encoder: "libx264",
  preset: "",
  source: ""
})

const codecs: Readonly<Record<string, VideoCodec>> = { libx264: "h264", libx265: "hevc", libsvtav1: "av1" }
const codec = codecs[encoder]
if (codec === undefined) throw new Error(`--encoder is ${encoder}: expected ${Object.keys(codecs).join(", ")}`)

const quiet = ["-nostdin", "-hide_banner", "-v", "error", "-y"]

/**
 * What the targets were set on: grain and cuts, scaled up to 1080p, in the 20 Mbit/s that a camera writes with CABAC and
 * B-frames. What the sample's own `ultrafast` makes is cheaper to decode, and its grain at full size dearer to encode.
 */
const drawn = { width: 1280, height: 720 }
const fromCamera =
  "-vf scale=1920:1080:flags=bicubic -c:v libx264 -preset veryfast -b:v 20M -maxrate 25M -bufsize 40M -c:a copy"

/** The options of each video output of ours, from `-c:v` to those of the muxer. */
const encodersOf = (args: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> =>
  args.flatMap((word, at) => (word === "-c:v" ? [args.slice(at, args.indexOf("-avoid_negative_ts", at))] : []))

const withPreset = (args: ReadonlyArray<string>): ReadonlyArray<string> =>
  preset === "" ? args : args.map((word, at) => (args[at - 1] === "-preset" ? preset : word))

/** Quality and preset of ours, and nothing else of it: a person's command forces no keyframes and lets the encoder be. */
const kept = new Set(["-c:v", "-preset", "-crf", "-maxrate", "-bufsize", "-tag:v"])
const ordinary = (options: ReadonlyArray<string>) =>
  options.flatMap((word, at) => (at % 2 === 0 && kept.has(word) ? [word, options[at + 1] ?? ""] : []))

const commonWay = (plan: TranscodePlan, options: ReadonlyArray<ReadonlyArray<string>>, source: string, to: string) =>
  plan.video.map((rendition, position) => [
    ...quiet,
    "-i",
    source,
    ...ordinary(options[position] ?? []),
    "-vf",
    `scale=-2:${rendition.height}`,
    ..."-c:a aac -b:a 128k -ac 2 -hls_time 6 -hls_list_size 0 -hls_segment_type fmp4 -f hls".split(" "),
    "-hls_fmp4_init_filename",
    "init.mp4",
    "-hls_segment_filename",
    join(to, rendition.name, "seg_%04d.m4s"),
    join(to, rendition.name, "stream.m3u8")
  ])

/** Each part of the work by itself; encoders read pictures that are decoded and scaled already. */
const floorParts = (
  plan: TranscodePlan,
  options: ReadonlyArray<ReadonlyArray<string>>,
  paths: { readonly source: string; readonly raw: (name: string) => string }
) => {
  const rate = `${plan.grid.frameRate.numerator}/${plan.grid.frameRate.denominator}`
  const nothing = ["-f", "null", "-"]
  const chain = plan.video
    .map(({ height, width }, at) =>
      at === 0 ? "[0:V:0]null[s0]" : `[s${at - 1}]scale=${width}:${height}:flags=bicubic,setsar=1[s${at}]`
    )
    .join(";")
  return {
    "decoding and scaling": [
      [...quiet, "-i", paths.source, "-filter_complex", chain, "-map", `[s${plan.video.length - 1}]`, ...nothing]
    ],
    sound: plan.audio.map((audio) => [
      ...quiet,
      "-i",
      paths.source,
      "-map",
      `0:${audio.stream}`,
      ..."-c:a aac -b:a 128k -ac 2".split(" "),
      ...nothing
    ]),
    encoding: plan.video.map(({ height, name, width }, position) => [
      ...quiet,
      ..."-f rawvideo -pix_fmt yuv420p".split(" "),
      "-video_size",
      `${width}x${height}`,
      "-framerate",
      rate,
      "-i",
      paths.raw(name),
      ...(options[position] ?? []),
      ...nothing
    ])
  }
}

const bytesIn = async (folder: string): Promise<number> => {
  const names = await readdir(folder, { recursive: true })
  const sizes = await Promise.all(names.filter((name) => name.endsWith(".m4s")).map((name) => stat(join(folder, name))))
  return sizes.reduce((sum, { size }) => sum + size, 0)
}

const ratio = (a: number, b: number) => `${(a / b).toFixed(2)} x`

const main = Effect.fnUntraced(function* (folder: string) {
  const subprocess = yield* Subprocess
  const transcoder = yield* Transcoder
  const source = told.source || join(folder, "film.mp4")
  if (told.source === "") {
    const sample = join(folder, "sample.mp4")
    yield* subprocess.run("ffmpeg", sampleVideoArguments({ ...drawn, output: sample, seconds }))
    yield* subprocess.run("ffmpeg", [...quiet, "-i", sample, ...fromCamera.split(" "), source])
  }
  const plan = wholeSource(yield* (yield* MediaProbe).probe(source), {
    encoder: { name: encoder, codec, backend: "software", device: null }
  })
  const ours = withPreset(transcodeArguments(plan, { source, folderOf: (name) => join(folder, "ours", name) }))
  const options = encodersOf(ours)
  const raw = (name: string) => join(folder, `${name}.yuv`)

  const preparing = [
    ...quiet,
    "-i",
    source,
    ...plan.video.flatMap(({ height, name, width }) => [
      "-map",
      "0:V:0",
      "-vf",
      `scale=${width}:${height}:flags=bicubic,setsar=1,format=yuv420p`,
      "-f",
      "rawvideo",
      raw(name)
    ])
  ]
  yield* subprocess.run("ffmpeg", preparing)
  const parts = floorParts(plan, options, { source, raw })

  const fresh = (name: string) =>
    Effect.promise(async () => {
      await rm(join(folder, name), { recursive: true, force: true })
      for (const rendition of [...plan.video, ...plan.audio])
        await mkdir(join(folder, name, rendition.name), { recursive: true })
    })
  const each = (commands: ReadonlyArray<ReadonlyArray<string>>, concurrency: number | "unbounded" = 1) =>
    measured(Effect.forEach(commands, (args) => watched("ffmpeg", args), { concurrency }))

  const costs = new Map<string, Array<Cost>>()
  const note = (name: string, cost: Cost) => costs.set(name, [...(costs.get(name) ?? []), cost])
  for (let round = 0; round < rounds; round++) {
    yield* fresh("ours")
    note("ours", yield* each([ours]))
    for (const [name, concurrency] of [
      ["one after the other", 1],
      ["all at once", "unbounded"]
    ] as const) {
      yield* fresh("common")
      note(name, yield* each(commonWay(plan, options, source, join(folder, "common")), concurrency))
    }
    for (const [name, commands] of Object.entries(parts)) note(name, yield* each(commands))
  }

  // The worker's own share, with its files watched and handed on as they are finished.
  const files = preset === ""
  if (files) {
    yield* fresh("worker")
    const before = process.cpuUsage()
    yield* Stream.runDrain(transcoder.transcode({ plan, source, folder: join(folder, "worker") }))
    const { system, user } = process.cpuUsage(before)
    note("the worker itself", { wall: NaN, cpu: (system + user) / 1e6, peak: process.memoryUsage.rss() })
  }

  const median = (name: string, pick: (cost: Cost) => number) => {
    const all = (costs.get(name) ?? []).map(pick).toSorted((a, b) => a - b)
    return all[all.length >> 1] ?? NaN
  }
  const cpu = (name: string) => median(name, (cost) => cost.cpu)
  const floor = cpu("encoding") + cpu("decoding and scaling") + cpu("sound")
  const version = (yield* subprocess.run("ffmpeg", ["-version"])).stdout.split(" ")[2] ?? ""
  const rungs = plan.video.map(({ name }) => name).join(" ")
  console.log(`ffmpeg ${version}, ${encoder} ${options[0]?.join(" ")}`)
  console.log(`${plan.frames} frames, ${rungs}, median of ${rounds} rounds\n`)
  console.log(`${"".padEnd(24)}${["CPU s", "wall s", "peak MB"].map((head) => head.padStart(10)).join("")}`)
  for (const name of costs.keys()) {
    const row = [cpu(name).toFixed(2), median(name, ({ wall }) => wall).toFixed(1)]
    const peak = (median(name, (cost) => cost.peak) / 1e6).toFixed(0)
    console.log(`${name.padEnd(24)}${[...row, peak].map((cell) => cell.padStart(10)).join("")}`)
  }
  console.log(`${"floor".padEnd(24)}${floor.toFixed(2).padStart(10)}\n`)
  console.log(`ours against the floor                 ${ratio(cpu("ours"), floor)}`)
  console.log(`ours against one after the other       ${ratio(cpu("ours"), cpu("one after the other"))}`)
  console.log(`the least that this can be, the floor's ${ratio(floor, cpu("one after the other"))}`)
  console.log(`ours against all at once               ${ratio(cpu("ours"), cpu("all at once"))}`)
  if (files) console.log(`the worker itself against its ffmpeg   ${ratio(cpu("the worker itself"), cpu("ours"))}`)

  const bytes = yield* Effect.promise(() =>
    Promise.all([bytesIn(join(folder, "ours")), bytesIn(join(folder, "common"))])
  )
  console.log(
    `\nbytes: ours ${(bytes[0] / 1e6).toFixed(2)} MB, common way ${(bytes[1] / 1e6).toFixed(2)} MB with its sound in each`
  )
  for (const rendition of plan.video) {
    const [ourQuality, theirs] = yield* Effect.all(
      [
        measure(join(folder, "ours", rendition.name, "list.m3u8"), raw(rendition.name), rendition, plan),
        measure(join(folder, "common", rendition.name, "stream.m3u8"), raw(rendition.name), rendition, plan)
      ],
      { concurrency: 1 }
    )
    console.log(`${rendition.name.padEnd(8)}ours ${ourQuality}   common way ${theirs}`)
  }
})

const folder = await mkdtemp(join(tmpdir(), "vlog-transcode-"))
try {
  const stallAfter = Duration.minutes(10)
  const layers = Layer.mergeAll(Probe.layer, FfmpegTranscoder.layer({ stallAfter })).pipe(
    Layer.provideMerge(Subprocess.layer)
  )
  await Effect.runPromise(Effect.provide(main(folder), layers))
} finally {
  await rm(folder, { recursive: true, force: true })
}
