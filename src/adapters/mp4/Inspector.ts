/** SegmentInspector by mp4box: what the boxes of a file say (ISO/IEC 14496-12). */
import { Effect, Layer } from "effect"
import type { ISOFile } from "mp4box"
import type { DeliveredPath } from "../../domain/media/Delivered.ts"
import type { SegmentFacts } from "../../domain/media/Segment.ts"
import { initName, segmentIndex } from "../../domain/media/Segment.ts"
import { NotASegment, SegmentInspector } from "../../domain/ports/SegmentInspector.ts"
import { deliveredFacts } from "./Delivered.ts"
import { combined } from "./Fragments.ts"
import { head, isJpeg, Malformed, readSkeleton, type Skeleton, withFile } from "./Skeleton.ts"

const initFacts = (file: ISOFile): SegmentFacts => {
  const tracks = file.moov === undefined ? [] : file.getInfo().tracks
  // Where sound lies beside the pictures, their times are the file's.
  const track = tracks.find(({ video }) => video !== undefined) ?? tracks[0]
  if (track === undefined) throw new Malformed("it has no track")
  const { timescale } = track
  const codecs = tracks.map(({ codec }) => codec).join(",")
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

const mediaFacts = (skeleton: Skeleton): SegmentFacts => {
  const trafs = skeleton.file.moofs.flatMap((moof) => moof.trafs)
  // Pictures are the first track of every file that we make.
  const first = Math.min(...trafs.map((traf) => traf.tfhd.track_id))
  const { decodeTime, duration, samples, startsWithKeyframe } = combined(
    trafs.filter((traf) => traf.tfhd.track_id === first)
  )
  if (decodeTime === null || samples === 0 || duration === 0) throw new Malformed("it has no samples with a time")
  if (skeleton.mediaBytes === 0) throw new Malformed("it has no media data")
  return { _tag: "MediaSegment", decodeTime, duration, samples, startsWithKeyframe }
}

const factsOf = (name: string, path: string): Promise<SegmentFacts> =>
  withFile(path, async (file) => {
    if (name.endsWith(".jpg")) {
      if (!isJpeg(await head(file))) throw new Malformed("it is no JPEG picture")
      return { _tag: "Attachment" }
    }
    if (name !== initName && segmentIndex(name) === null) throw new Malformed("it is no file of a rendition")
    const skeleton = await readSkeleton(file)
    return name === initName ? initFacts(skeleton.file) : mediaFacts(skeleton)
  })

const inspect = Effect.fn("SegmentInspector.inspect")(function* (file: {
  readonly name: string
  readonly path: string
}) {
  return yield* Effect.tryPromise({
    try: () => factsOf(file.name, file.path),
    catch: (cause) => notASegment(file.name, cause)
  })
})

const inspectDelivered = Effect.fn("SegmentInspector.inspectDelivered")(function* (file: {
  readonly path: DeliveredPath
  readonly at: string
}) {
  return yield* Effect.tryPromise({
    try: () => deliveredFacts(file.path, file.at),
    catch: (cause) => notASegment(file.path, cause)
  })
})

const notASegment = (name: string, cause: unknown) =>
  new NotASegment({
    name,
    problem: cause instanceof Malformed ? cause.message : `its boxes cannot be read (${String(cause)})`
  })

export const layer = Layer.succeed(SegmentInspector, SegmentInspector.of({ inspect, inspectDelivered }))
