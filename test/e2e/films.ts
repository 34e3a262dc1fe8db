/** Small films of the kinds that people have, each with flashes and clicks at known pictures. */
import { join } from "node:path"
import { ffmpeg, filmFilters, ffmpegWith, type Rate } from "../support/media.ts"

export interface Film {
  readonly path: string
  readonly slug: string
  readonly rate: Rate
  readonly frames: number
  /** Pictures that are white, and at whose instants it clicks. */
  readonly flashes: ReadonlyArray<number>
  readonly silent: boolean
  /** As shown, after turning. */
  readonly width: number
  readonly height: number
}

type Shape = Omit<Film, "path" | "slug">

const everySeconds = (rate: Rate, frames: number, seconds: number) => {
  const step = Math.round((seconds * rate.numerator) / rate.denominator)
  return Array.from({ length: Math.floor((frames - step / 3) / step) + 1 }, (_, index) =>
    Math.round(step / 3 + index * step)
  ).filter((frame) => frame < frames - 10)
}

const shape = (width: number, height: number, rate: Rate, frames: number, silent = false): Shape => ({
  width,
  height,
  rate,
  frames,
  silent,
  flashes: everySeconds(rate, frames, 3)
})

const inputs = (film: Shape, size = `${film.width}x${film.height}`) => {
  const filters = filmFilters({ ...film, size })
  return ["-filter_complex", `${filters.picture}[v]${film.silent ? "" : `;${filters.sound}[a]`}`, "-map", "[v]"]
}

const x264 = "-c:v libx264 -preset ultrafast -crf 24 -g 250 -threads 2"

/** H.264 and AAC, with the index at the end of the file. */
export const plainMp4 = async (folder: string): Promise<Film> => {
  const film = shape(854, 480, { numerator: 30, denominator: 1 }, 367)
  const path = join(folder, "Plain Film.mp4")
  await ffmpeg([...inputs(film), "-map", "[a]", ...`${x264} -c:a aac -b:a 128k -f mp4`.split(" "), path])
  return { ...film, path, slug: "plain-film" }
}

export const vp9WebM = async (folder: string): Promise<Film> => {
  const film = shape(640, 360, { numerator: 25, denominator: 1 }, 250)
  const path = join(folder, "open.webm")
  const codecs = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -row-mt 1 -b:v 900k -c:a libopus -b:a 96k"
  await ffmpeg([...inputs(film), "-map", "[a]", ...codecs.split(" "), path])
  return { ...film, path, slug: "open" }
}

/** Times in whole milliseconds, pictures that start 421 ms after the sound, B-frames, and sound that outlasts nothing. */
export const lateMkv = async (folder: string): Promise<Film> => {
  const film = shape(640, 480, { numerator: 30_000, denominator: 1001 }, 301)
  const plain = join(folder, "late-plain.mp4")
  const sound = join(folder, "late-sound.wav")
  const path = join(folder, "late.mkv")
  const filters = filmFilters({ ...film, size: "640x480" })
  await ffmpeg(["-filter_complex", `${filters.picture}[v]`, "-map", "[v]", ...x264.split(" "), "-bf", "2", plain])
  await ffmpeg(["-filter_complex", `${filters.sound},adelay=421:all=1[a]`, "-map", "[a]", sound])
  await ffmpegWith(
    `-itsoffset 0.421 -i ${plain} -i ${sound} -map 0:v -map 1:a -c:v copy -c:a aac -output_ts_offset 1.3`,
    path
  )
  return { ...film, path, slug: "late" }
}

/** Long enough to be interrupted in the middle, and quickly made. `seed` makes it another file. */
export const longMp4 = async (folder: string, seed: number): Promise<Film> => {
  const film = shape(640, 360, { numerator: 30, denominator: 1 }, 600 + seed)
  const slug = `long-${seed}`
  const path = join(folder, `${slug}.mp4`)
  const seconds = film.frames / 30
  await ffmpegWith(
    `-f lavfi -i testsrc2=s=640x360:r=30:d=${seconds} -f lavfi -i sine=d=${seconds} ${x264} -c:a aac -movflags +faststart`,
    path
  )
  return { ...film, path, slug }
}

/** As a telephone held upright records: 60 pictures a second that lie on their side, with a note to turn them. No sound. */
export const portraitMov = async (folder: string): Promise<Film> => {
  const film = shape(480, 854, { numerator: 60, denominator: 1 }, 420, true)
  const lying = join(folder, "lying.mp4")
  const path = join(folder, "portrait.mov")
  await ffmpeg([...inputs(film, "854x480"), ...x264.split(" "), lying])
  await ffmpegWith(`-i ${lying} -c copy -metadata:s:v:0 rotate=270`, path)
  return { ...film, path, slug: "portrait" }
}
