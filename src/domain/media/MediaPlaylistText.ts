/**
 * Reads a media playlist (RFC 8216 section 4.3) that a worker wrote. Only tags that cannot name anything elsewhere are
 * let through, since viewers will get this text as it is.
 */
import { Result } from "effect"
import type { MediaPlaylist } from "./Delivered.ts"

const harmless = new Set([
  "EXTM3U",
  "EXT-X-VERSION",
  "EXT-X-TARGETDURATION",
  "EXT-X-MEDIA-SEQUENCE",
  "EXT-X-PLAYLIST-TYPE",
  "EXT-X-INDEPENDENT-SEGMENTS",
  "EXT-X-ALLOW-CACHE",
  "EXT-X-DISCONTINUITY",
  "EXT-X-PROGRAM-DATE-TIME"
])

/** A file beside the playlist. */
const sibling = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.(?:mp4|m4s|ts)$/

/** The problem is a sentence that goes on from the name of the file. */
export const parseMediaPlaylist = (text: string): Result.Result<MediaPlaylist, string> => {
  const lines = text.split(/\r?\n/).filter((line) => line !== "")
  if (lines[0] !== "#EXTM3U") return Result.fail("does not start with #EXTM3U")
  const segments: Array<MediaPlaylist["segments"][number]> = []
  let init: string | null = null
  let ended = false
  let seconds: number | null = null
  for (const line of lines) {
    const tag = /^#([A-Z0-9-]+)(?::(.*))?$/.exec(line)
    if (!line.startsWith("#")) {
      if (!sibling.test(line) || seconds === null) return Result.fail(`lists something that is no segment beside it`)
      segments.push({ uri: line, seconds })
      seconds = null
    } else if (tag?.[1] === "EXTINF") {
      seconds = Number.parseFloat(tag[2] ?? "")
      if (!(seconds >= 0 && seconds < 86_400)) return Result.fail("has a segment without a duration")
    } else if (tag?.[1] === "EXT-X-MAP") {
      const uri: string | undefined = /^URI="([^"]*)"$/.exec(tag[2] ?? "")?.[1]
      if (uri === undefined || !sibling.test(uri) || (init !== null && init !== uri))
        return Result.fail("has an init segment that is not one file beside it")
      init = uri
    } else if (tag?.[1] === "EXT-X-ENDLIST") ended = true
    else if (line.startsWith("#EXT") && !harmless.has(tag?.[1] ?? "")) {
      return Result.fail(`has a tag that is not served here, ${line.slice(0, 40)}`)
    }
  }
  return Result.succeed({ _tag: "MediaPlaylist", init, segments, ended })
}
