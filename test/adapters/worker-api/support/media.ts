/** What the older worker makes of a short film: muxed CMAF renditions, a stream copy as MPEG-TS, and its manifests. */
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { execa } from "execa"

export interface Film {
  readonly source: Buffer
  /** File names and bytes of each rendition's own folder. */
  readonly cmaf: Readonly<Record<string, ReadonlyMap<string, Buffer>>>
  readonly original: ReadonlyMap<string, Buffer>
  readonly thumbnail: Buffer
}

export const filmSeconds = 8

const filesIn = async (folder: string, pattern: RegExp) =>
  new Map(
    await Promise.all(
      (await readdir(folder))
        .filter((name) => pattern.test(name))
        .toSorted()
        .map(async (name) => [name, await readFile(join(folder, name))] as const)
    )
  )

const ffmpeg = (...args: ReadonlyArray<string>) => execa("ffmpeg", ["-nostdin", "-v", "error", "-y", ...args])

export const makeFilm = async (): Promise<Film> => {
  const folder = await mkdtemp(join(tmpdir(), "vlog-film-"))
  try {
    const source = join(folder, "source.mp4")
    await ffmpeg(
      ..."-f lavfi -i testsrc2=s=320x180:r=25 -f lavfi -i sine=440:r=48000 -t".split(" "),
      String(filmSeconds),
      ..."-c:v libx264 -preset ultrafast -g 50 -c:a aac -b:a 64k".split(" "),
      source
    )
    const cmaf: Record<string, ReadonlyMap<string, Buffer>> = {}
    for (const [name, size] of [
      ["360p", "320:180"],
      ["480p", "426:240"]
    ] as const) {
      const own = join(folder, name)
      await mkdir(own)
      await ffmpeg(
        "-i",
        source,
        ..."-c:v libx264 -preset ultrafast -g 50 -c:a aac -b:a 64k -ac 2 -vf".split(" "),
        `scale=${size}`,
        ..."-f hls -hls_time 2 -hls_playlist_type vod -hls_segment_type fmp4 -hls_fmp4_init_filename init.mp4".split(
          " "
        ),
        "-hls_segment_filename",
        join(own, "seg_%04d.m4s"),
        join(own, "stream.m3u8")
      )
      cmaf[name] = await filesIn(own, /^(?:init\.mp4|seg_\d+\.m4s|stream\.m3u8)$/)
    }
    await ffmpeg(
      "-i",
      source,
      ..."-c copy -f hls -hls_time 2 -hls_playlist_type vod -hls_segment_filename".split(" "),
      join(folder, "original_%04d.ts"),
      join(folder, "original.m3u8")
    )
    await ffmpeg("-i", source, "-frames:v", "1", join(folder, "thumbnail.jpg"))
    return {
      source: await readFile(source),
      cmaf,
      original: await filesIn(folder, /^original(?:\.m3u8|_\d+\.ts)$/),
      thumbnail: await readFile(join(folder, "thumbnail.jpg"))
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** With the label that the older worker puts on everything, true or not. */
export const itsMaster = [
  "#EXTM3U",
  "#EXT-X-VERSION:7",
  '#EXT-X-STREAM-INF:BANDWIDTH=1000000,RESOLUTION=854x480,CODECS="av01.0.08M.08,mp4a.40.2"',
  "480p/stream.m3u8",
  '#EXT-X-STREAM-INF:BANDWIDTH=600000,RESOLUTION=640x360,CODECS="av01.0.08M.08,mp4a.40.2"',
  "360p/stream.m3u8",
  ""
].join("\n")

/** With segments of a length that they do not have. */
export const itsManifest = '<?xml version="1.0"?><MPD type="static"><Period/></MPD>\n'
