/** Videos made, and output measured, by ffmpeg and ffprobe alone. */
import { execFile } from "node:child_process"
import { promisify } from "node:util"

const execute = promisify(execFile)

const options = { maxBuffer: 256 * 1024 * 1024 }

export const ffmpeg = (args: ReadonlyArray<string>) =>
  execute("ffmpeg", ["-nostdin", "-hide_banner", "-v", "error", "-y", ...args], options)

/** `words` is split at blanks: for options without any in them. */
export const ffmpegWith = (words: string, ...more: ReadonlyArray<string>) => ffmpeg([...words.split(" "), ...more])

const ffprobe = async (args: ReadonlyArray<string>): Promise<unknown> =>
  JSON.parse((await execute("ffprobe", ["-v", "error", "-of", "json", ...args], options)).stdout)

/** Frames of the first picture stream, each decoded. */
export const countFrames = async (input: string): Promise<number> => {
  const found = (await ffprobe([
    ..."-count_frames -select_streams V:0 -show_entries stream=nb_read_frames".split(" "),
    input
  ])) as { streams: ReadonlyArray<{ nb_read_frames: string }> }
  return Number(found.streams[0]?.nb_read_frames)
}

export interface Packet {
  readonly time: number
  readonly duration: number
  readonly keyframe: boolean
}

/** Packets in the order of the file, times as a player sees them. */
export const packetsOf = async (input: string, stream: string): Promise<ReadonlyArray<Packet>> => {
  const found = (await ffprobe([
    "-select_streams",
    stream,
    ..."-show_entries packet=pts_time,duration_time,flags".split(" "),
    input
  ])) as { packets: ReadonlyArray<{ pts_time: string; duration_time?: string; flags: string }> }
  return found.packets.map((packet) => ({
    time: Number(packet.pts_time),
    duration: Number(packet.duration_time ?? 0),
    keyframe: packet.flags.startsWith("K")
  }))
}

export const pictureOf = async (input: string) => {
  const found = (await ffprobe([
    ..."-select_streams V:0 -show_entries stream=width,height,codec_name,pix_fmt,sample_aspect_ratio".split(" "),
    input
  ])) as {
    streams: ReadonlyArray<{
      width: number
      height: number
      codec_name: string
      pix_fmt: string
      sample_aspect_ratio?: string
    }>
  }
  return found.streams[0]!
}

/** Picture number `frame` of a rate as a time. */
export interface Rate {
  readonly numerator: number
  readonly denominator: number
}

/**
 * Filters of a film of `frames` pictures: zooming detail, a hard cut, grain, and white for two pictures at each of the
 * `flashes`; with sound that clicks at the very instants.
 */
export const filmFilters = (film: {
  readonly size: string
  readonly rate: Rate
  readonly frames: number
  readonly flashes: ReadonlyArray<number>
  readonly soundSeconds?: number
}) => {
  const rate = `${film.rate.numerator}/${film.rate.denominator}`
  const cut = Math.floor(film.frames / 2)
  const at = film.flashes.map((frame) => (frame * film.rate.denominator) / film.rate.numerator)
  const white = film.flashes.map((frame) => `between(n,${frame},${frame + 1})`).join("+")
  const click = at.map((time) => `between(t,${time.toFixed(6)},${(time + 0.02).toFixed(6)})`).join("+")
  const seconds = film.soundSeconds ?? (film.frames * film.rate.denominator) / film.rate.numerator
  return {
    picture: [
      `mandelbrot=s=${film.size}:r=${rate}:start_scale=2:end_scale=0.4:end_pts=${cut}:maxiter=60,trim=end_frame=${cut},setpts=PTS-STARTPTS[a]`,
      `testsrc2=s=${film.size}:r=${rate},trim=end_frame=${film.frames - cut},setpts=PTS-STARTPTS,format=rgb24[b]`,
      `[a]format=rgb24[a2];[a2][b]concat=n=2,setpts=N/(${rate})/TB,noise=alls=5:allf=t,eq=brightness=-0.15,` +
        `drawbox=t=fill:c=white:enable='${white}',setsar=1,format=yuv420p`
    ].join(";"),
    sound: `aevalsrc='0.03*sin(2*PI*220*t)+0.8*(${click})*sin(2*PI*1000*t)':s=48000:d=${seconds.toFixed(6)},aformat=channel_layouts=stereo,asetnsamples=960`
  }
}

/** The first of each run of values that pass, by time. */
const onsets = (samples: ReadonlyArray<readonly [number, number]>, threshold: number, quiet: number) => {
  const found: Array<number> = []
  let last = -Infinity
  for (const [time, value] of samples) {
    if (value < threshold) continue
    if (time - last > quiet) found.push(time)
    last = time
  }
  return found
}

/** Decodes every picture once: how many there are, when it turns white, and what ffmpeg complained about. */
export const watch = async (input: string) => {
  const { stderr, stdout } = await execute(
    "ffmpeg",
    [
      ..."-nostdin -hide_banner -v warning -copyts -i".split(" "),
      input,
      ..."-map 0:V:0 -vf scale=64:36,signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-".split(" "),
      ..."-f null -".split(" ")
    ],
    options
  )
  const samples = [...stdout.matchAll(/pts_time:(\S+)\s+lavfi\.signalstats\.YAVG=(\S+)/g)].map(
    ([, time, light]) => [Number(time), Number(light)] as const
  )
  return { frames: samples.length, flashes: onsets(samples, 215, 0.5), complaints: stderr }
}

/** Decodes the sound once. Time 0 is that of the pictures, whatever the sound's own first packet says. */
export const listen = async (input: string) => {
  const { stderr, stdout } = await execute(
    "ffmpeg",
    [
      ..."-nostdin -hide_banner -v warning -copyts -i".split(" "),
      input,
      ..."-map 0:a:0 -ac 1 -af aresample=48000:async=1:first_pts=0 -f s16le -".split(" ")
    ],
    { ...options, encoding: "buffer" }
  )
  const samples = Array.from(
    { length: Math.floor(stdout.length / 2) },
    (_, index) => [index / 48000, Math.abs(stdout.readInt16LE(index * 2)) / 32768] as const
  )
  return { seconds: samples.length / 48000, clicks: onsets(samples, 0.25, 0.5), complaints: stderr.toString() }
}

/** How light each picture is, of 255. */
export const lights = async (path: string) => {
  const { stdout } = await ffmpeg([
    "-i",
    path,
    ..."-vf signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=- -f null -".split(" ")
  ])
  return [...stdout.matchAll(/YAVG=(\S+)/g)].map(([, light]) => Number(light))
}
