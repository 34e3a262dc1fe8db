import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { sampleVideoArguments } from "../../../src/adapters/ffmpeg/SampleVideo.ts"

const execute = promisify(execFile)

const seconds = 6
const frameRate = 30
let directory: string
let file: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "vlog-sample-"))
  file = join(directory, "sample.mp4")
  await execute("ffmpeg", [...sampleVideoArguments({ output: file, seconds, width: 320, height: 180, frameRate })])
}, 120_000)

afterAll(() => rm(directory, { recursive: true, force: true }))

interface Probe {
  readonly streams: ReadonlyArray<Readonly<Record<string, string | number>>>
  readonly format: Readonly<Record<string, string>>
}

const probe = async (): Promise<Probe> => {
  const { stdout } = await execute("ffprobe", [
    ..."-v error -count_frames -show_streams -show_format -of json".split(" "),
    file
  ])
  return JSON.parse(stdout) as Probe
}

/** Values that a filter leaves in each frame's metadata, with the frame's time. */
const metadata = async (filter: string, key: string): Promise<ReadonlyArray<readonly [number, number]>> => {
  const { stdout } = await execute("ffmpeg", [
    ..."-nostdin -v error -i".split(" "),
    file,
    ...`-vf ${filter},metadata=print:file=-:key=${key} -an -f null -`.split(" ")
  ])
  return [...stdout.matchAll(/pts_time:([\d.]+)\s+[\w.]+=([-\d.]+)/g)].map(([, time, value]) => [
    Number(time),
    Number(value)
  ])
}

/** One channel as samples between -1 and 1. */
const samples = async (channel: number): Promise<Float32Array> => {
  const { stdout } = await execute(
    "ffmpeg",
    [..."-nostdin -v error -i".split(" "), file, ...`-af pan=mono|c0=c${channel} -vn -f f32le -ar 48000 -`.split(" ")],
    { encoding: "buffer", maxBuffer: 64 * 1024 * 1024 }
  )
  return new Float32Array(new Uint8Array(stdout).buffer)
}

describe("the sample video", () => {
  it("is H.264 of the wanted size, rate and length with stereo AAC", async () => {
    const { streams, format } = await probe()
    const video = streams.find((stream) => stream["codec_type"] === "video")
    const audio = streams.find((stream) => stream["codec_type"] === "audio")
    assert.strictEqual(streams.length, 2)
    assert.include(video, {
      codec_name: "h264",
      width: 320,
      height: 180,
      pix_fmt: "yuv420p",
      r_frame_rate: "30/1",
      nb_read_frames: String(seconds * frameRate),
      color_space: "bt709"
    })
    assert.include(audio, { codec_name: "aac", channels: 2, sample_rate: "48000" })
    assert.closeTo(Number(format["duration"]), seconds, 0.05)
  })

  it("cuts hard between five scenes", async () => {
    const scores = await metadata("select='gte(scene,0)'", "lavfi.scene_score")
    const cuts = scores.filter(([time, score]) => score > 0.15 && !isNear(time, 5, 0.1)).map(([time]) => time)
    for (const cut of [1.2, 2.4, 3.6, 4.8]) {
      assert.isTrue(
        cuts.some((time) => isNear(time, cut, 0.001)),
        `a cut at ${cut} among ${cuts.join(", ")}`
      )
    }
  })

  it("moves in every scene", async () => {
    const differences = await metadata("tblend=all_mode=difference,signalstats", "lavfi.signalstats.YAVG")
    for (const scene of [0, 1, 2, 3, 4]) {
      const inside = differences.filter(([time]) => time > scene * 1.2 + 0.1 && time < scene * 1.2 + 1.1)
      const still = inside.filter(([, difference]) => difference < 0.05)
      assert.isBelow(still.length, inside.length / 3, `still frames in scene ${scene}`)
    }
  })

  it("sounds different left and right, without clipping", async () => {
    const [left, right] = await Promise.all([samples(0), samples(1)])
    assert.isAbove(left.length, 5.9 * 48_000)
    const peak = Math.max(loudest(left), loudest(right))
    assert.isAbove(peak, 0.3)
    assert.isBelow(peak, 1)
    const difference = left.map((sample, index) => sample - (right[index] ?? 0))
    assert.isAbove(power(difference), power(left) / 2)
  })

  it("flashes and clicks at the same instant", async () => {
    const brightness = await metadata("signalstats", "lavfi.signalstats.YAVG")
    const flash = brightness.find(([, average]) => average > 225)?.[0]
    assert.strictEqual(flash, 5)
    const sound = await samples(0)
    const aroundFlash = [...sound.subarray(4.9 * 48_000, 5.1 * 48_000)].map(Math.abs)
    const onset = 4.9 + aroundFlash.findIndex((sample) => sample > 0.4) / 48_000
    assert.closeTo(onset, 5, 0.005)
  })
})

const isNear = (value: number, wanted: number, tolerance: number): boolean => Math.abs(value - wanted) < tolerance

const loudest = (sound: Float32Array): number => sound.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0)

const power = (sound: Float32Array): number =>
  sound.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, sound.length)
