/** The filters of a plan: from decoded pictures to each rung's encoder, and from sounds to theirs. */
import type { Depth } from "../../domain/media/Codec.ts"
import type { Assumed } from "../../domain/media/Colours.ts"
import * as FrameRate from "../../domain/media/FrameRate.ts"
import type { AudioRendition, VideoRendition } from "../../domain/media/Rendition.ts"
import type { TranscodePlan } from "../../domain/media/TranscodePlan.ts"
import { memoryFormat, surfaceFormat } from "./backends/Backend.ts"
import { backendOf } from "./backends/index.ts"

const scale = ({ height, width }: VideoRendition) => `scale=${width}:${height}:flags=bicubic,setsar=1`

/** Sizes are even, so that the shape of a picture is never quite that of its rendition. */
const sameShape = ({ height, width }: VideoRendition) => Math.max(0.03, 2.5 / Math.min(height, width))

/**
 * A recording may change its size or shape in the middle. The whole picture stays to be seen then, between bars: players
 * and encoders take one size only. Every filter before it must be one that looks at no pixels.
 */
const fit = (rendition: VideoRendition, extra: string): ReadonlyArray<string> => {
  const { height, width } = rendition
  const same = `lt(abs(dar*${height}/${width}-1),${sameShape(rendition).toFixed(3)})`
  const side = (full: number, other: string) => `'if(${same},${full},2*trunc(min(${full},${other})/2))'`
  return [
    `scale=w=${side(width, `${height}*dar`)}:h=${side(height, `${width}/dar`)}:eval=frame:flags=bicubic${extra}`,
    `pad=${width}:${height}:-1:-1:eval=frame`,
    "setsar=1"
  ]
}

/** Light as it was graded for HDR is folded into standard range; without this it looks washed out everywhere. */
const toneMap = [
  "zscale=t=linear:npl=100",
  "format=gbrpf32le",
  "zscale=p=bt709",
  "tonemap=hable:desat=0",
  "zscale=t=bt709:m=bt709:r=tv"
]

/** ffmpeg makes BT.601 of RGB and says so nowhere, which players take for BT.709 where the picture is large. */
const fromRgb = {
  matrix: ":out_color_matrix=bt709",
  tags: "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709"
}

/** Nothing is made of the pictures by it: what follows, and the encoder, take them for that. */
const spoken = ({ matrix, primaries, transfer }: Assumed): ReadonlyArray<string> => {
  const words = [
    ...(matrix === undefined ? [] : [`colorspace=${matrix}`]),
    ...(primaries === undefined ? [] : [`color_primaries=${primaries}`]),
    ...(transfer === undefined ? [] : [`color_trc=${transfer}`])
  ]
  return words.length === 0 ? [] : [`setparams=${words.join(":")}`]
}

/** An encode of the frames from `first` on. `sought`: the decoder does not begin with the source's first picture. */
export interface Part {
  readonly first: number
  readonly sought: boolean
}

/**
 * Timestamps start at zero before `fps` puts them on the grid, or the phase of a source that starts at 21 ms would
 * double a picture. The filters only look at times, so that they work wherever the picture lies.
 */
const onGrid = (plan: TranscodePlan, { first, sought }: Part): ReadonlyArray<string> => {
  const { holdLastPicture, leadFrames } = plan.normalisation
  const fps = `fps=${FrameRate.format(plan.grid.frameRate)}`
  return [
    sought || leadFrames > 0 ? `setpts=round(PTS-(${plan.start.toFixed(6)})/TB)` : "setpts=PTS-STARTPTS",
    // The first picture is repeated from time zero on.
    sought || leadFrames === 0 ? fps : `${fps}:start_time=0`,
    ...(holdLastPicture > 0 ? [`tpad=stop_mode=clone:stop_duration=${holdLastPicture.toFixed(6)}`] : []),
    // On the grid a time is a frame's number. The rate is said again, because `setpts` makes ffmpeg 7 forget it.
    ...(first === 0 ? [] : [`trim=start_pts=${first}`, "setpts=PTS-STARTPTS", fps])
  ]
}

const depthOf = ({ encoder }: TranscodePlan): Depth => encoder.depth ?? 8

/** 4:2:0, in the order of planes that whoever takes it next works with. */
const inMemory = (plan: TranscodePlan) =>
  (backendOf(plan.encoder).hardware === undefined ? memoryFormat : surfaceFormat)(depthOf(plan))

/** It takes one size only, as it reads lines of several pictures. */
const wholePictures = ({ decoded }: TranscodePlan, which: "all" | "marked"): ReadonlyArray<string> => [
  `scale=${decoded.width}:${decoded.height}:flags=bicubic:interl=-1`,
  `bwdif=mode=send_frame:deint=${which === "all" ? "all" : "interlaced"}`
]

/** Decoded pictures to ones of a size, in the processor's memory. `choose`: which of them, and when. */
const pictures = (plan: TranscodePlan, size: VideoRendition, choose: ReadonlyArray<string>): ReadonlyArray<string> => {
  const { colours, deinterlace, fullRange, rgb, toneMapFrom } = plan.normalisation
  return [
    ...spoken(colours),
    ...(deinterlace === "none" ? [] : wholePictures(plan, deinterlace)),
    ...choose,
    ...fit(size, `${fullRange ? ":in_range=full:out_range=tv" : ""}${rgb ? fromRgb.matrix : ""}`),
    ...(toneMapFrom === "sdr" ? [] : toneMap),
    `format=${inMemory(plan)}`,
    ...(rgb && toneMapFrom === "sdr" ? [fromRgb.tags] : [])
  ]
}

/** Filters from the decoder to the top rung, from a rung to the next smaller one, and from a rung to its encoder. */
interface Route {
  readonly top: ReadonlyArray<string>
  lower(rendition: VideoRendition): string
  readonly encode: ReadonlyArray<string>
}

const scalesOnDevice = (plan: TranscodePlan) =>
  plan.encoder.pipeline === "device" ? backendOf(plan.encoder).hardware : undefined

/** A device decodes only what it may also scale: anything that needs the processor's filters is decoded there. */
export const decodesOnDevice = (plan: TranscodePlan) =>
  plan.normalisation.scalingOnly ? scalesOnDevice(plan) : undefined

const route = (plan: TranscodePlan, top: VideoRendition, part: Part): Route => {
  const { hardware } = backendOf(plan.encoder)
  const device = scalesOnDevice(plan)
  if (device === undefined) {
    const upload = hardware === undefined || hardware.uploadsByItself ? [] : [hardware.upload]
    return { top: pictures(plan, top, onGrid(plan, part)), lower: (rendition) => scale(rendition), encode: upload }
  }
  const scaleThere = (rendition: VideoRendition) => `${device.scale(rendition, depthOf(plan))},setsar=1`
  return {
    // What the device could not decode comes from the processor, so that either kind of picture is let in.
    top: plan.normalisation.scalingOnly
      ? [
          ...spoken(plan.normalisation.colours),
          ...onGrid(plan, part),
          `format=${inMemory(plan)}|${device.surface}`,
          device.upload,
          scaleThere(top)
        ]
      : [...pictures(plan, top, onGrid(plan, part)), device.upload],
    lower: scaleThere,
    encode: []
  }
}

const whole: Part = { first: 0, sought: false }

/** Leaves out frames where the larger picture, of which it is made, has more of them. */
const thinning = (rendition: VideoRendition, larger: VideoRendition | undefined): ReadonlyArray<string> => {
  const step = rendition.frameStep / (larger?.frameStep ?? 1)
  return step === 1 ? [] : [`framestep=${step}`]
}

/** Each rung is made from the next larger one: as sharp as from the source, and cheaper. */
export const videoGraph = (plan: TranscodePlan, part: Part = whole): ReadonlyArray<string> => {
  const [top, ...lower] = plan.video
  if (top === undefined) return []
  const way = route(plan, top, part)
  const last = plan.video.length - 1
  const upload = way.encode.join(",")
  const outlet = (position: number) => {
    if (upload === "") return position === last ? `[v${position}]` : `,split=2[v${position}][s${position}]`
    return position === last
      ? `,${upload}[v${position}]`
      : `,split=2[m${position}][s${position}];[m${position}]${upload}[v${position}]`
  }
  return [
    `[0:${plan.videoStream}]${[...way.top, ...thinning(top, undefined)].join(",")}${outlet(0)}`,
    ...lower.map((rendition, index) => {
      const filters = [...thinning(rendition, plan.video[index]), way.lower(rendition)]
      return `[s${index}]${filters.join(",")}${outlet(index + 1)}`
    })
  ]
}

/** A picture of JPEG has the colours of television before HD, in full range, whatever the film has. */
const likeJpeg = ["scale=in_color_matrix=auto:out_color_matrix=bt601:out_range=full", "format=yuvj420p"]

/** The most typical of a second of pictures, so that a cut or a flash is not chosen. */
export const posterGraph = (plan: TranscodePlan, size: VideoRendition): string => {
  const filters = [...pictures(plan, size, ["thumbnail=n=24"]), ...likeJpeg]
  return `[0:${plan.videoStream}]${filters.join(",")}[poster]`
}

const mixed = (mix: AudioRendition["mix"]): string => {
  if (mix === null) return ""
  const sum = (shares: ReadonlyArray<number>) =>
    shares
      .map((share, channel) => `${share < 0 ? "" : "+"}${share.toFixed(4)}*c${channel}`)
      .join("")
      .replace(/^\+/, "")
  return `pan=stereo|c0=${sum(mix.left)}|c1=${sum(mix.right)},`
}

/**
 * Sound is moved with the pictures, and it ends when they end. Where it is more than a tenth of a second away from its
 * times, it is filled with silence or cut. It is not stretched (`async` above 1): once the resampler begins to, it may put
 * seconds of silence into one instant.
 */
const sounds = (plan: TranscodePlan, rendition: AudioRendition, input: number): string => {
  const end = plan.duration.toFixed(6)
  return `[${input}:${rendition.stream}]${mixed(rendition.mix)}asetpts=PTS-(${plan.start.toFixed(6)})/TB,aresample=48000:async=1:first_pts=0,apad=whole_dur=${end},atrim=end=${end}`
}

/**
 * Beside pictures no packet of sound may come before time zero, as the encoder's run-up of 1024 samples does: so many
 * are left out, and the run-up takes their place.
 */
export const audioGraph = ({ sound, ...plan }: TranscodePlan, input: number): ReadonlyArray<string> =>
  sound === undefined
    ? plan.audio.map((rendition, position) => `${sounds(plan, rendition, input)}[a${position}]`)
    : [
        `${sounds(plan, sound, input)},atrim=start_sample=1024,asplit=${plan.video.length}` +
          plan.video.map((_, position) => `[a${position}]`).join("")
      ]
