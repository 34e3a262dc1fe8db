/** SegmentInspector by mp4box: what the boxes of a file say (ISO/IEC 14496-12). */
import { Effect, Layer } from "effect"
import { createFile, type ISOFile, MP4BoxBuffer } from "mp4box"
import { readFile } from "node:fs/promises"
import type { SegmentFacts } from "../../domain/media/Segment.ts"
import { initName, segmentIndex } from "../../domain/media/Segment.ts"
import { NotASegment, SegmentInspector } from "../../domain/ports/SegmentInspector.ts"

/** Throws where boxes are missing or do not fit together: turned into `NotASegment` in one place, below. */
class Malformed extends Error {}

const parse = (bytes: Buffer): ISOFile => {
  const file = createFile()
  const copy = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
  file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(copy, 0))
  file.flush()
  return file
}

const initFacts = (file: ISOFile): SegmentFacts => {
  const [track] = file.moov === undefined ? [] : file.getInfo().tracks
  if (track === undefined) throw new Malformed("it has no track")
  const { codec: codecs, timescale } = track
  if (track.video !== undefined) {
    return { _tag: "VideoInit", codecs, timescale, width: track.video.width, height: track.video.height }
  }
  if (track.audio !== undefined) {
    return {
      _tag: "AudioInit",
      codecs,
      timescale,
      sampleRate: track.audio.sample_rate,
      channels: track.audio.channel_count
    }
  }
  throw new Malformed("its track is neither video nor audio")
}

/** `sample_is_non_sync_sample` of the sample flags (ISO/IEC 14496-12 section 8.8.3.1). */
const nonSync = 0x10000

const mediaFacts = (file: ISOFile): SegmentFacts => {
  let decodeTime: number | null = null
  let duration = 0
  let samples = 0
  let startsWithKeyframe = false
  for (const moof of file.moofs) {
    for (const traf of moof.trafs) {
      for (const run of traf.truns) {
        if (samples === 0) {
          const flags = run.sample_flags[0] ?? (run.first_sample_flags || traf.tfhd.default_sample_flags)
          startsWithKeyframe = (flags & nonSync) === 0
        }
        samples += run.sample_count
        duration +=
          run.sample_duration.length > 0
            ? run.sample_duration.reduce((sum, value) => sum + value, 0)
            : run.sample_count * traf.tfhd.default_sample_duration
      }
      decodeTime ??= traf.tfdt?.baseMediaDecodeTime ?? null
    }
  }
  if (decodeTime === null || samples === 0 || duration === 0) throw new Malformed("it has no samples with a time")
  const promised = file.boxes.filter((box) => box.type === "mdat").reduce((sum, box) => sum + box.size, 0)
  if (promised === 0) throw new Malformed("it has no media data")
  return { _tag: "MediaSegment", decodeTime, duration, samples, startsWithKeyframe }
}

/** The last top-level box must end where the file does. */
const assertWhole = (file: ISOFile, length: number) => {
  const last = file.boxes.at(-1)
  if (last?.start === undefined) throw new Malformed("it has no boxes")
  if (last.start + last.size !== length) throw new Malformed("it was cut short")
}

const isJpeg = (bytes: Buffer) => bytes.length > 4 && bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff

const factsOf = (name: string, bytes: Buffer): SegmentFacts => {
  if (name.endsWith(".jpg")) {
    if (!isJpeg(bytes)) throw new Malformed("it is no JPEG picture")
    return { _tag: "Attachment" }
  }
  if (name !== initName && segmentIndex(name) === null) throw new Malformed("it is no file of a rendition")
  const file = parse(bytes)
  assertWhole(file, bytes.length)
  return name === initName ? initFacts(file) : mediaFacts(file)
}

const inspect = Effect.fn("SegmentInspector.inspect")(function* (file: {
  readonly name: string
  readonly path: string
}) {
  return yield* Effect.tryPromise({
    try: async () => factsOf(file.name, await readFile(file.path)),
    catch: (cause) =>
      new NotASegment({
        name: file.name,
        problem: cause instanceof Malformed ? cause.message : `its boxes cannot be read (${String(cause)})`
      })
  })
})

export const layer = Layer.succeed(SegmentInspector, SegmentInspector.of({ inspect }))
