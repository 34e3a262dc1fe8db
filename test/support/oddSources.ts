/** Small videos of the kinds that break naive commands. Left half white, right half in motion, two seconds unless said. */
import { appendFile, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { ffmpeg } from "./media.ts"

const picture = (size: string, rate = "25", seconds = 2) =>
  `testsrc2=s=${size}:r=${rate}:d=${seconds},drawbox=w=iw/2:t=fill:c=white`
const tone = (seconds = 2) => `sine=f=440:d=${seconds}:r=48000`
const x264 = "-c:v libx264 -preset ultrafast -crf 28"

/** Of two fields, as television sends it. */
const broadcast =
  "-vf tinterlace=interleave_top,fieldorder=tff,setdar=4/3 -c:v mpeg2video -b:v 4M -pix_fmt yuv420p -flags +ilme+ildct -top 1 -c:a mp2 -f mpegts"

/** Arguments: inputs as lavfi graphs, then options, then the name of the file. */
interface Recipe {
  readonly name: string
  readonly inputs: ReadonlyArray<string>
  readonly options: string
  /** Made from the first before: the same options mean the second step then, which begins `seek` seconds into it. */
  readonly first?: { readonly name: string; readonly options: string }
  readonly seek?: string
  /** Another recording, of which the bytes come after those of this one. */
  readonly andThen?: { readonly inputs: ReadonlyArray<string>; readonly options: string }
  /** What is done to the bytes in the end. */
  readonly edit?: (bytes: Buffer) => Buffer
}

/** Each picture of an animation says how long it is shown, in hundredths of a second. */
const withDelays = (delays: ReadonlyArray<number>) => (bytes: Buffer) => {
  const edited = Buffer.from(bytes)
  const control = Buffer.from([0x21, 0xf9, 0x04])
  let at = edited.indexOf(control)
  for (const delay of delays) {
    edited.writeUInt16LE(delay, at + 4)
    at = edited.indexOf(control, at + 8)
  }
  return edited
}

/** The last sound track is in a codec that nobody here knows, as telephones' of 2024 have one for their microphones. */
const withUnknownSound = (bytes: Buffer) => {
  const edited = Buffer.from(bytes)
  edited.write("apac", edited.lastIndexOf("mp4a"), "latin1")
  edited.write("dapa", edited.lastIndexOf("esds"), "latin1")
  return edited
}

const recipes = {
  plain: { name: "plain.mp4", inputs: [picture("320x180"), tone()], options: `${x264} -c:a aac` },
  /** To be turned clockwise: before ffmpeg 6 the tag of the output counts the other way. */
  rotated: {
    name: "rotated.mov",
    inputs: [picture("320x180")],
    first: { name: "lying.mp4", options: x264 },
    options: "-c copy -metadata:s:v:0 rotate=270"
  },
  variable: {
    name: "variable.mp4",
    inputs: [picture("320x180", "60")],
    options: `-vf select='if(lt(n\\,60)\\,1\\,not(mod(n\\,5)))' -vsync vfr ${x264}`
  },
  /** Every third picture of 60 a second is left out. */
  thinned: {
    name: "thinned.mkv",
    inputs: [picture("320x180", "60")],
    options: `-vf select='not(eq(mod(n\\,3)\\,1))' -vsync vfr ${x264}`
  },
  late: {
    name: "late.mkv",
    inputs: [picture("320x180", "30000/1001"), tone()],
    first: { name: "late-plain.mp4", options: `${x264} -bf 2 -c:a aac` },
    options: "-c copy -output_ts_offset 1.021"
  },
  interlaced: {
    name: "interlaced.mp4",
    inputs: [picture("320x240", "50")],
    options: `-vf tinterlace=interleave_top,fieldorder=tff ${x264} -flags +ilme+ildct -x264opts tff=1`
  },
  anamorphic: { name: "anamorphic.mp4", inputs: [picture("720x576")], options: `-vf setsar=64/45 ${x264}` },
  odd: {
    name: "odd.mkv",
    inputs: [`${picture("320x180")},format=yuv444p,scale=321:181`],
    options: `${x264} -pix_fmt yuv444p`
  },
  tenBit: { name: "ten-bit.mkv", inputs: [picture("320x180")], options: `${x264} -pix_fmt yuv422p10le` },
  pq: {
    name: "pq.mkv",
    inputs: [picture("320x180")],
    options: `-c:v libx265 -preset ultrafast -x265-params log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc -pix_fmt yuv420p10le`
  },
  /** The curve is all that it says of its colours. */
  hlgBare: {
    name: "hlg-bare.mkv",
    inputs: [picture("320x180")],
    options: `-c:v libx265 -preset ultrafast -x265-params log-level=error:transfer=arib-std-b67 -pix_fmt yuv420p10le`
  },
  /** All of it is red, and it says that it is in the colours of HD. */
  redHd: {
    name: "red-hd.mp4",
    inputs: ["color=red:s=320x180:r=25:d=2,format=rgb24,scale=out_color_matrix=bt709,format=yuv420p"],
    options: `${x264} -colorspace bt709 -color_primaries bt709 -color_trc bt709`
  },
  /** What screen recorders make that lose nothing. All of it is red. */
  rgb: {
    name: "rgb.mkv",
    inputs: ["color=red:s=320x180:r=25:d=2"],
    options: "-pix_fmt rgb24 -c:v libx264rgb -preset ultrafast"
  },
  fullRange: { name: "full-range.mp4", inputs: [picture("320x180")], options: `${x264} -pix_fmt yuvj420p` },
  coverFirst: {
    name: "cover-first.mkv",
    inputs: ["color=red:s=600x600:r=25:d=0.04", picture("320x180"), tone()],
    options: `-map 0:v -map 1:v -map 2:a -c:v:0 png -c:v:1 libx264 -preset ultrafast -disposition:v:0 0 -c:a aac`
  },
  longSound: { name: "long-sound.mp4", inputs: [picture("320x180"), tone(5)], options: `${x264} -c:a aac` },
  shortSound: { name: "short-sound.mp4", inputs: [picture("320x180"), tone(1)], options: `${x264} -c:a aac` },
  /** It is heard for more than a second before there is anything to see. */
  earlySound: {
    name: "early-sound.mkv",
    inputs: [picture("320x180"), tone(3.2)],
    options: `-filter:v setpts=PTS+1.2/TB ${x264} -c:a aac`
  },
  soundTail: { name: "sound-tail.mp4", inputs: [picture("320x180"), tone(2.4)], options: `${x264} -c:a aac` },
  manySounds: {
    name: "many-sounds.mkv",
    inputs: [picture("320x180"), tone(), "aevalsrc=0.1*sin(700*t)|0|0|0|0|0.1*sin(900*t):c=5.1:d=2:s=44100"],
    options: `-map 0:v -map 1:a -map 2:a ${x264} -c:a aac -metadata:s:a:0 language=ger -metadata:s:a:1 language=fre`
  },
  /** More channels than anybody has a guess for. */
  unplacedSounds: {
    name: "unplaced-sounds.mkv",
    inputs: [picture("320x180"), `aevalsrc=${Array(9).fill("0.5*sin(440*2*PI*t)").join("|")}:d=2:s=48000`],
    options: `${x264} -c:a pcm_s16le`
  },
  /** A tone to the left, as a microphone for a sphere hears it. */
  sphere: {
    name: "sphere.mkv",
    inputs: [picture("320x180"), "aevalsrc=0.5*sin(440*2*PI*t)|0.5*sin(440*2*PI*t)|0|0:d=2:s=48000"],
    options: `${x264} -c:a libopus -mapping_family 2`
  },
  /** The second sound track is the one that plays unasked. */
  secondSound: {
    name: "second-sound.mkv",
    inputs: [picture("320x180"), tone(), tone()],
    options: `-map 0 -map 1 -map 2 ${x264} -c:a aac -metadata:s:a:0 language=ger -metadata:s:a:1 language=fre -disposition:a:0 0 -disposition:a:1 default`
  },
  transportStream: { name: "stream.ts", inputs: [picture("320x180"), tone()], options: `${x264} -c:a aac -f mpegts` },
  /** Its first second is made of pictures whose keyframe is not there. */
  midGroup: {
    name: "mid-group.ts",
    inputs: [picture("320x180"), tone()],
    first: { name: "before.ts", options: `${x264} -g 25 -c:a aac -f mpegts` },
    options: "-c copy -copyinkf -ss 0.5 -f mpegts"
  },
  /** The pictures of half a second are there for those after them, and nobody is to see them. */
  trimmed: {
    name: "trimmed.mp4",
    inputs: [picture("320x180"), tone()],
    first: { name: "untrimmed.mp4", options: `${x264} -g 50 -c:a aac` },
    seek: "0.52",
    options: "-c copy"
  },
  unknownSound: {
    name: "unknown-sound.mp4",
    inputs: [picture("320x180"), tone()],
    options: `-map 0 -map 1 -map 1 ${x264} -c:a aac`,
    edit: withUnknownSound
  },
  /** The clock of the microphone goes slower than that of the camera. */
  drifting: {
    name: "drifting.mkv",
    inputs: [picture("320x180"), `${tone()},asetpts=PTS*1.005`],
    options: `${x264} -c:a pcm_s16le`
  },
  /** Two recordings, put together as files: the clock starts anew in the middle. */
  joined: {
    name: "joined.ts",
    inputs: [picture("320x180"), tone()],
    options: `${x264} -c:a aac -f mpegts`,
    edit: (bytes) => Buffer.concat([bytes, bytes])
  },
  /** Nothing happens for half a minute. */
  pause: {
    name: "pause.mp4",
    inputs: [picture("320x180", "25", 30)],
    options: `-vf select='lt(n\\,25)+gte(n\\,725)' -vsync vfr ${x264} -bf 2`
  },
  /** One picture has no delay, which no program shows so fast; the last one stays for a second and a half. */
  animation: {
    name: "animation.gif",
    inputs: [picture("320x180", "10")],
    options: "-f gif",
    edit: withDelays([0, ...Array.from({ length: 18 }, () => 10), 150])
  },
  /** A camera with tape: its pictures are of two fields, which only they themselves say. */
  tape: {
    name: "tape.avi",
    inputs: [picture("720x576", "50")],
    options: "-vf tinterlace=interleave_bottom,fieldorder=bff -pix_fmt yuv420p -c:v dvvideo"
  },
  /** Two recordings of different shapes, one after the other. */
  resized: {
    name: "resized.ts",
    inputs: [picture("320x180"), tone()],
    options: `${x264} -c:a aac -f mpegts`,
    andThen: {
      inputs: [picture("320x240"), tone()],
      options: `${x264} -c:a aac -f mpegts -output_ts_offset 2.02`
    }
  },
  /** A channel that saves lines in the next programme, whose pictures are shown as wide as before. */
  broadcast: {
    name: "broadcast.ts",
    inputs: [picture("720x576", "50"), tone()],
    options: broadcast,
    andThen: { inputs: [picture("544x576", "50"), tone()], options: `${broadcast} -output_ts_offset 2.02` }
  },
  /** Its second half has more bits and colours. */
  reformatted: {
    name: "reformatted.h264",
    inputs: [picture("320x180")],
    options: `${x264} -f h264`,
    andThen: { inputs: [picture("320x180")], options: `${x264} -pix_fmt yuv422p10le -f h264` }
  },
  /** Its sound is of two channels first, and of six then. */
  resounded: {
    name: "resounded.ts",
    inputs: [picture("320x180"), tone()],
    options: `${x264} -c:a ac3 -ac 2 -f mpegts`,
    andThen: {
      inputs: [picture("320x180"), tone()],
      options: `${x264} -c:a ac3 -ac 6 -f mpegts -output_ts_offset 2`
    }
  },
  /** Taller than any screen. */
  tower: { name: "tower.mp4", inputs: [picture("64x2048")], options: x264 },
  single: { name: "single.mp4", inputs: [picture("320x180", "25", 0.04)], options: x264 }
} as const satisfies Readonly<Record<string, Recipe>>

export type OddSource = keyof typeof recipes

const asInputs = (graphs: ReadonlyArray<string>) => graphs.flatMap((graph) => ["-f", "lavfi", "-i", graph])

const bytesOf = async ({ inputs, options }: NonNullable<Recipe["andThen"]>, path: string) => {
  await ffmpeg([...asInputs(inputs), ...options.split(" "), path])
  return readFile(path)
}

export const makeOddSource = async (kind: OddSource, folder: string): Promise<string> => {
  const recipe: Recipe = recipes[kind]
  const path = join(folder, recipe.name)
  const inputs = asInputs(recipe.inputs)
  if (recipe.first === undefined) {
    await ffmpeg([...inputs, ...recipe.options.split(" "), path])
    if (recipe.andThen !== undefined) await appendFile(path, await bytesOf(recipe.andThen, `${path}.second`))
    if (recipe.edit !== undefined) await writeFile(path, recipe.edit(await readFile(path)))
    return path
  }
  const first = join(folder, recipe.first.name)
  await ffmpeg([...inputs, ...recipe.first.options.split(" "), first])
  await ffmpeg([
    ...(recipe.seek === undefined ? [] : ["-ss", recipe.seek]),
    "-i",
    first,
    ...recipe.options.split(" "),
    path
  ])
  return path
}
