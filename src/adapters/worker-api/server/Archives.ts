/** Which members of an archive are taken, and under which path: a worker writes its renditions and nothing else. */
import { Effect, Option, Schema, Stream } from "effect"
import { DeliveredPath } from "../../../domain/media/Delivered.ts"
import { ArchiveReader, ArchiveRefused, type ArchiveLimits } from "../../../domain/ports/ArchiveReader.ts"
import type { Arriving } from "../../../domain/programs/ReceiveDelivery.ts"

const decodePath = Schema.decodeUnknownOption(DeliveredPath)

const mediaSuffix = /\.(?:m3u8|ts|m4s|mp4|jpg|vtt)$/
const finalSuffix = /\.(?:m3u8|mpd|jpg)$/
const finalNames: ReadonlySet<string> = new Set(["master.m3u8", "manifest.mpd", "thumbnail.jpg"])

/** More than one level above, or anything that another system could take for a way out. */
const leadsOut = (name: string) =>
  // oxlint-disable-next-line no-control-regex -- names from outside may hold anything
  /^[/\\]|^[A-Za-z]:|\\|[\u0000-\u001f]|%/.test(name) || name.split("/").includes("..")

const shown = (name: string) => JSON.stringify(name.slice(0, 200)).slice(1, -1)

export type Accept = (name: string) => boolean

export const ofQuality =
  (quality: string): Accept =>
  (name) =>
    name.startsWith(`${quality}/`) ||
    name === `${quality}.m3u8` ||
    (name.startsWith(`${quality}_`) && name.endsWith(".ts"))

export const anything: Accept = () => true
export const finalFiles: Accept = (name) => finalNames.has(name)

const pathOf = (name: string, accept: Accept): DeliveredPath | ArchiveRefused => {
  if (leadsOut(name)) return new ArchiveRefused({ problem: `Path traversal detected (${shown(name)})` })
  if (accept === finalFiles && !finalNames.has(name)) {
    return new ArchiveRefused({ problem: `Unexpected file in archive: ${shown(name)}` })
  }
  if (!(accept === finalFiles ? finalSuffix : mediaSuffix).test(name)) {
    return new ArchiveRefused({ problem: `Invalid file type: ${shown(name)}` })
  }
  const path = decodePath(name)
  if (Option.isNone(path) || !accept(name)) {
    return new ArchiveRefused({ problem: `Unexpected file in archive: ${shown(name)}` })
  }
  return path.value
}

export const members = <E>(archive: Stream.Stream<Uint8Array, E>, limits: ArchiveLimits, accept: Accept) =>
  Stream.unwrap(
    Effect.map(ArchiveReader, (reader) =>
      reader.read(archive, limits).pipe(
        Stream.mapEffect((member) => {
          const path = pathOf(member.name, accept)
          return path instanceof ArchiveRefused
            ? Effect.fail(path)
            : Effect.succeed({ path, body: member.body } satisfies Arriving<E | ArchiveRefused>)
        })
      )
    )
  )
