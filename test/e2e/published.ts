/** Reads what a farm published the way that players do, with parsers that are not ours. */
import { mkdir, writeFile } from "node:fs/promises"
import { request } from "node:http"
import { join } from "node:path"
import * as HLS from "hls-parser"
import { parse as parseMpd } from "mpd-parser"
import { assert } from "vitest"
import { packetsOf } from "../support/media.ts"

HLS.setOptions({ strictMode: true })

export interface ReadSegment {
  readonly address: string
  readonly seconds: number
  /** The init segment and this one, as one file. */
  readonly path: string
  readonly bytes: number
}

export interface ReadRendition {
  readonly address: string
  readonly segments: ReadonlyArray<ReadSegment>
  /** The init segment and all others, as one file. */
  readonly path: string
  readonly targetDuration: number
}

export interface ReadVariant extends ReadRendition {
  readonly width: number
  readonly height: number
  readonly bandwidth: number
  readonly averageBandwidth: number
  readonly codecs: string
  readonly frameRate: number
}

const fetchText = async (address: string) => {
  const response = await fetch(address)
  assert.strictEqual(response.status, 200, address)
  return response.text()
}

const fetchBytes = async (address: string) => {
  const response = await fetch(address)
  assert.strictEqual(response.status, 200, address)
  return Buffer.from(await response.arrayBuffer())
}

const readRendition = async (address: string, folder: string): Promise<ReadRendition> => {
  const playlist = HLS.parse(await fetchText(address)) as HLS.types.MediaPlaylist
  assert.isFalse(playlist.isMasterPlaylist)
  assert.isTrue(playlist.endlist, `${address} ends`)
  assert.strictEqual(playlist.playlistType, "VOD")
  assert.isTrue(playlist.independentSegments)
  await mkdir(folder, { recursive: true })
  const init = await fetchBytes(new URL(playlist.segments[0]!.map.uri, address).href)
  const all: Array<Buffer> = [init]
  const segments: Array<ReadSegment> = []
  for (const [index, segment] of playlist.segments.entries()) {
    const from = new URL(segment.uri, address).href
    const bytes = await fetchBytes(from)
    const path = join(folder, `${index}.mp4`)
    await writeFile(path, Buffer.concat([init, bytes]))
    all.push(bytes)
    segments.push({ address: from, seconds: segment.duration, path, bytes: bytes.length })
  }
  const path = join(folder, "whole.mp4")
  await writeFile(path, Buffer.concat(all))
  return { address, segments, path, targetDuration: playlist.targetDuration }
}

/** Everything that the HLS playlists of a video lead to, kept below `folder`. */
export const readHls = async (master: string, folder: string) => {
  const playlist = HLS.parse(await fetchText(master)) as HLS.types.MasterPlaylist
  assert.isTrue(playlist.isMasterPlaylist)
  const video: Array<ReadVariant> = []
  for (const variant of playlist.variants) {
    const address = new URL(variant.uri, master).href
    video.push({
      ...(await readRendition(address, join(folder, `video-${video.length}`))),
      width: variant.resolution?.width ?? 0,
      height: variant.resolution?.height ?? 0,
      bandwidth: variant.bandwidth,
      averageBandwidth: variant.averageBandwidth ?? 0,
      codecs: variant.codecs ?? "",
      frameRate: variant.frameRate ?? 0
    })
  }
  const sounds = new Set(playlist.variants.flatMap((variant) => variant.audio.map((audio) => audio.uri ?? "")))
  const audio: Array<ReadRendition> = []
  for (const uri of sounds) {
    audio.push(await readRendition(new URL(uri, master).href, join(folder, `audio-${audio.length}`)))
  }
  return { video, audio }
}

export type ReadOutput = Awaited<ReturnType<typeof readHls>>

export const readDash = async (address: string) => {
  const manifest = parseMpd(await fetchText(address), { manifestUri: address })
  const audio = Object.values(manifest.mediaGroups.AUDIO)
    .flatMap((group) => Object.values(group))
    .flatMap((track) => track.playlists)
  return { duration: manifest.duration, video: manifest.playlists, audio }
}

/** When a segment's first picture is shown and its last one ends, by the packets in it. */
export const spanOf = async (segment: ReadSegment, stream: "v:0" | "a:0") => {
  const packets = await packetsOf(segment.path, stream)
  return {
    start: Math.min(...packets.map((packet) => packet.time)),
    end: Math.max(...packets.map((packet) => packet.time + packet.duration)),
    startsWithKeyframe: packets[0]?.keyframe === true
  }
}

/** A path exactly as it is written, which `fetch` would tidy up first. */
export const getRaw = (
  port: number,
  path: string,
  options: { readonly method?: string; readonly headers?: Readonly<Record<string, string>> } = {}
) =>
  new Promise<{ status: number; headers: Readonly<Record<string, string | undefined>>; body: Buffer }>((done, fail) => {
    const call = request(
      { host: "127.0.0.1", port, path, method: options.method ?? "GET", headers: options.headers ?? {} },
      (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("end", () =>
          done({
            status: response.statusCode ?? 0,
            headers: response.headers as Record<string, string | undefined>,
            body: Buffer.concat(chunks)
          })
        )
      }
    )
    call.on("error", fail)
    call.end()
  })
