/**
 * What ffmpeg and ffprobe may do with a stranger's file: read this one local file, as one of these formats. Formats
 * that name other files (playlists, concatenation scripts) are not among them; a protocol list alone let a disguised
 * playlist read a neighbour's file.
 */
const demuxers = [
  "mov",
  "mp4",
  "m4a",
  "3gp",
  "3g2",
  "mj2",
  "matroska",
  "webm",
  "mpegts",
  "mpeg",
  "mpegvideo",
  "avi",
  "flv",
  "asf",
  "ogg",
  "mxf",
  "gxf",
  "nut",
  "rm",
  "dv",
  "ivf",
  "h264",
  "hevc",
  "obu",
  "m4v",
  "yuv4mpegpipe",
  "gif",
  "apng"
]

/** 8192x8192, more than any picture that is taken. */
const maxPixels = 8192 * 8192

/** Films carry tens of tracks, subtitles and fonts, each a stream. */
const maxStreams = 256

/** The most that one allocation may be; no plane of the largest picture needs as much. */
const maxAllocation = 512 * 1024 ** 2

/** Up to and with `-i`, of a file or of what comes through standard input; the same for ffmpeg and ffprobe. */
export const inputOptions = (path: string | null): ReadonlyArray<string> => [
  "-protocol_whitelist",
  path === null ? "pipe" : "file",
  "-format_whitelist",
  demuxers.join(","),
  "-max_alloc",
  String(maxAllocation),
  "-max_streams",
  String(maxStreams),
  "-max_pixels",
  String(maxPixels),
  "-i",
  path === null ? "pipe:0" : `file:${path}`
]
