/** What the files of workers of the older protocol hold, judged by their content, never by their name alone. */
import { Result } from "effect"
import type { DeliveredFacts, DeliveredPath, MuxedTrack } from "../../domain/media/Delivered.ts"
import { parseMediaPlaylist } from "../../domain/media/MediaPlaylistText.ts"
import { combined } from "./Fragments.ts"
import { head, isJpeg, Malformed, readSkeleton, readText, type Skeleton, withFile } from "./Skeleton.ts"

const nonEmpty = <A>(values: ReadonlyArray<A>, otherwise: string): readonly [A, ...Array<A>] => {
  const [first, ...rest] = values
  if (first === undefined) throw new Malformed(otherwise)
  return [first, ...rest]
}

const initFacts = ({ file }: Skeleton): DeliveredFacts => {
  const tracks = file.moov === undefined ? [] : file.getInfo().tracks
  return {
    _tag: "MuxedInit",
    tracks: nonEmpty(
      tracks
        .filter((track) => track.video !== undefined || track.audio !== undefined)
        .map(({ codec: codecs, id, timescale, video }): MuxedTrack => ({
          id,
          codecs,
          timescale,
          width: video?.width ?? null,
          height: video?.height ?? null
        })),
      "it has no track"
    )
  }
}

const segmentFacts = ({ file, mediaBytes }: Skeleton): DeliveredFacts => {
  const trafs = file.moofs.flatMap((moof) => moof.trafs)
  const tracks = [...new Set(trafs.map((traf) => traf.tfhd.track_id))].flatMap((id) => {
    const { decodeTime, ...facts } = combined(trafs.filter((traf) => traf.tfhd.track_id === id))
    return decodeTime === null || facts.samples === 0 ? [] : [{ id, decodeTime, ...facts }]
  })
  if (mediaBytes === 0) throw new Malformed("it has no media data")
  return { _tag: "MuxedSegment", tracks: nonEmpty(tracks, "it has no samples with a time") }
}

const other: DeliveredFacts = { _tag: "Other" }

/** The protocol's smallest file. */
const leastBytes = 8

export const deliveredFacts = (path: DeliveredPath, at: string): Promise<DeliveredFacts> =>
  withFile(at, async (file) => {
    const start = await head(file)
    if (start.length < leastBytes) throw new Malformed("it is shorter than any such file")
    switch (path.slice(path.lastIndexOf(".") + 1)) {
      case "ts":
        if (start[0] !== 0x47) throw new Malformed("it is no MPEG transport stream")
        return { _tag: "TransportStream" }
      case "mp4":
        return initFacts(await readSkeleton(file))
      case "m4s":
        return segmentFacts(await readSkeleton(file))
      case "jpg":
        if (!isJpeg(start)) throw new Malformed("it is no JPEG picture")
        return other
      case "m3u8": {
        const text = await readText(file)
        if (path === "master.m3u8") return other
        const playlist = parseMediaPlaylist(text)
        if (Result.isFailure(playlist)) throw new Malformed(`it ${playlist.failure}`)
        return playlist.success
      }
      default:
        await readText(file)
        return other
    }
  })
