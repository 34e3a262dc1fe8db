/** Sources as a probe would find them. */
import * as FrameRate from "../../../src/domain/media/FrameRate.ts"
import type { AudioStream, Source, VideoStream } from "../../../src/domain/media/Source.ts"

export const videoStream = (own: Partial<VideoStream> = {}): VideoStream => ({
  index: 0,
  codec: "h264",
  width: 1280,
  height: 720,
  pixelAspect: 1,
  rotation: 0,
  oriented: false,
  nominalFrameRate: FrameRate.make(25),
  usualFrameRate: FrameRate.make(25),
  constantFrameRate: true,
  frames: 250,
  start: 0,
  duration: 10,
  promised: 10,
  pixelFormat: "yuv420p",
  bitDepth: 8,
  fieldOrder: "progressive",
  dynamicRange: "sdr",
  colours: { matrix: "bt709", primaries: "bt709", transfer: "bt709" },
  fullRange: false,
  ...own
})

export const audioStream = (own: Partial<AudioStream> = {}): AudioStream => ({
  index: 1,
  codec: "aac",
  channels: 2,
  arrangement: "speakers",
  sampleRate: 48000,
  language: "und",
  start: 0,
  duration: 10,
  ...own
})

export const source = (
  video: Partial<VideoStream> = {},
  audio: ReadonlyArray<Partial<AudioStream>> = [{}]
): Source => ({
  container: "mov,mp4,m4a,3gp,3g2,mj2",
  bytes: 1_000_000,
  video: videoStream(video),
  audio: audio.map((own, position) => audioStream({ index: position + 1, ...own }))
})
