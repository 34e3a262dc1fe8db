/** What to tell the person whose file ffprobe made nothing of. */
import { open } from "node:fs/promises"
import { SourceRejected } from "../../domain/media/Source.ts"
import { lastWords } from "./FailureReason.ts"

const wanted = "Upload an MP4, MKV, WebM, MOV, AVI, MPEG-TS or animated GIF file that plays in a video player"

export const notAVideo = (why: string) =>
  new SourceRejected({ problem: `The file is not a video that can be read (${why})`, remedy: wanted })

export const withoutPictures = (hasSound: boolean) =>
  new SourceRejected({
    problem: `The file has ${hasSound ? "sound, but " : ""}no moving pictures`,
    remedy: hasSound ? "Upload a video: to publish sound alone, make one of it with a picture" : wanted
  })

const empty = new SourceRejected({
  problem: "The file is empty",
  remedy: "Upload it again, and look at its size first"
})

const noIndex = new SourceRejected({
  problem: "The file has no index (moov atom): it was cut short, or its recording was never finished",
  remedy: "Copy or upload the whole file again"
})

/** Whole kinds of formats, by ffmpeg's names, of which none is taken. */
const kinds: ReadonlyArray<readonly [RegExp, string]> = [
  [/^image2$|_pipe$|^ico$|^jpegxl/, "a picture"],
  [
    /^(mp3|flac|wav|w64|aac|e?ac3|dtshd|dts|truehd|mlp|amr|aiff|caf|ape|wv|tta|mpc8?|au|dsf|oma|loas|codec2|gsm|sbc|aptx)$/,
    "sound"
  ],
  [/^(hls|concat|dash|sdp|imf)$/, "a list of other files"],
  [/^(srt|ass|webvtt|subviewer1?|microdvd|ttml|sami|vobsub|scc|sup|lrc|mpl2|pjs|jacosub)$/, "subtitles"]
]

/** `[png_pipe @ 0x55d0] Format not on whitelist 'mov,...'` */
const kindOf = (stderr: string): string | null => {
  const format = /^\[(\S+) @ \w+\] Format not on whitelist/m.exec(stderr)?.[1]
  if (format === undefined) return null
  return kinds.find(([names]) => names.test(format))?.[1] ?? `in a format that is not taken, "${format}"`
}

/** ffprobe takes whatever is called `.mp4` for one; a real one begins with one of these boxes. */
const mp4Boxes = ["ftyp", "moov", "mdat", "free", "skip", "wide"]

const firstBytes = async (path: string) => {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0)
    return buffer.toString("latin1", 0, bytesRead)
  } finally {
    await file.close()
  }
}

/** ffprobe's last word names the file that it makes nothing of. A library that is missing, or a sandbox, says other things. */
export const isOfFile = (stderr: string, path: string) => lastWords(stderr).startsWith(`file:${path}: `)

/** Paths of this machine mean nothing to the person who uploaded the file. */
const withoutPath = (text: string, path: string) =>
  text.replaceAll(`file:${path}`, "").replaceAll(path, "").replace(/^:\s*/, "")

/** An MP4 carries its index at one end: without it nothing can be found in the file, whatever is there. */
export const unreadable = async (stderr: string, path: string): Promise<SourceRejected> => {
  const start = await firstBytes(path).catch(() => null)
  if (start === "") return empty
  if (stderr.includes("moov atom not found") && mp4Boxes.includes(start?.slice(4) ?? "")) return noIndex
  const kind = kindOf(stderr)
  return kind === null
    ? notAVideo(withoutPath(lastWords(stderr), path))
    : new SourceRejected({ problem: `The file is not a video, but ${kind}`, remedy: wanted })
}
