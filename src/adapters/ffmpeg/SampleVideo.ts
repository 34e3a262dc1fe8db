/**
 * The arguments with which ffmpeg makes our sample: five scenes with hard cuts, film grain, and sound that differs left
 * and right.
 *
 * Everything comes from lavfi sources, so no file and no font is needed. Each second clicks; each fifth second clicks
 * louder and the picture flashes white for two frames at the same instant, so that audio sync can be seen, heard and
 * measured. The same options give the same pictures: each source of chance has a seed.
 *
 * It should take seconds on a small machine: what stands still is drawn once and looped, what moves everywhere is drawn
 * small and scaled up, and the encoder is `ultrafast`, because grain is what costs it most.
 */
export const sampleVideoArguments = (options: {
  readonly output: string
  readonly seconds?: number
  readonly width?: number
  readonly height?: number
  readonly frameRate?: number
}): ReadonlyArray<string> => {
  const { output, seconds = 24, width = 1920, height = 1080, frameRate = 30 } = options
  const film = { width, height, frameRate, frames: Math.round(seconds * frameRate) }
  return [
    ..."-nostdin -hide_banner -y".split(" "),
    "-filter_complex",
    [...picture(film), sound(film)].join(";\n"),
    ..."-map [picture] -map [sound] -c:v libx264 -preset ultrafast -crf 23 -pix_fmt yuv420p".split(" "),
    ...`-maxrate 12M -bufsize 12M -g ${Math.round(frameRate * 2)}`.split(" "),
    ..."-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv".split(" "),
    ..."-c:a aac -b:a 160k -ar 48000 -movflags +faststart -f mp4".split(" "),
    output
  ]
}

interface Film {
  readonly width: number
  readonly height: number
  readonly frameRate: number
  readonly frames: number
}

/** How many seconds lie between two flashes. */
const flashSeconds = 5

const scenes = ["mountains", "circles", "fractal", "life", "aurora"] as const

const picture = (film: Film): ReadonlyArray<string> => {
  const cuts = scenes.map((_, index) => Math.floor((film.frames * index) / scenes.length))
  const length = (index: number) => (cuts[index + 1] ?? film.frames) - (cuts[index] ?? 0)
  const draw = { mountains, circles, fractal, life, aurora }
  const flash = Math.round(flashSeconds * film.frameRate)
  return [
    ridges(film),
    ...scenes.map(
      (name, index) =>
        `${draw[name]({ ...film, frames: length(index) })},trim=end_frame=${length(index)},setpts=PTS-STARTPTS,` +
        `scale=${film.width}:${film.height}:out_color_matrix=bt709:out_range=tv,setsar=1,format=yuv420p[${name}]`
    ),
    `${scenes.map((name) => `[${name}]`).join("")}concat=n=${scenes.length},` +
      `noise=c0s=7:c0f=t:c0_seed=1,` +
      `drawbox=color=white:t=fill:enable='gte(n,${flash})*lt(mod(n,${flash}),2)'[picture]`
  ]
}

const still = "trim=end_frame=1"
const forever = "loop=-1:1"

// The expressions of geq are written for this size; the masks are scaled to one and a half times the picture, so that
// a pan has somewhere to go.
const ridgeMask = (film: Film, name: string, skyline: string): string =>
  `color=black:s=1440x540:r=${film.frameRate},format=gray,` +
  `geq=lum='clip((Y-H*(${skyline}))*220,0,255)',setparams=range=pc,${still},scale=${wide(film)}:${film.height}:flags=bicubic${name}`

const wide = (film: Film): number => Math.ceil(film.width * 0.75) * 2

const ridges = (film: Film): string =>
  [
    ridgeMask(film, "[far]", ".56-.10*sin(X/171+1)-.055*sin(X/67)-.03*abs(sin(X/23+2))-.012*sin(X/9)-.006*sin(X/3.7)"),
    ridgeMask(
      film,
      "[middle]",
      ".72-.08*sin(X/131+4)-.05*abs(sin(X/53+1))-.03*sin(X/31)-.016*abs(sin(X/11))-.006*sin(X/4.1)"
    ),
    ridgeMask(
      film,
      ",split[near][nearAgain]",
      ".88-.06*sin(X/109+2)-.035*abs(sin(X/37))-.05*abs(sin(X/7+sin(X/29)))*(.5+.5*sin(X/41))-.012*abs(sin(X/2.7))"
    )
  ].join(";\n")

/** A flat colour in the shape of a mask, painted once. */
const cutOut = (film: Film, mask: string, colour: string, name: string, size: string): string =>
  `color=${colour}:s=${size}:r=${film.frameRate},format=yuva420p,${still}[paint${name}];\n` +
  `[paint${name}][${mask}]alphamerge,${forever}[${name}]`

/** Moves a wide layer to the left by a share of the picture's width in the course of a scene. */
const pan = (film: Film, share: number): string =>
  `overlay=x='-${(film.width * share * film.frameRate) / film.frames}*t':y=0`

const mountains = (film: Film): string => {
  const size = `${wide(film)}x${film.height}`
  const glow = (width: number) => `exp(-hypot(X-W*.62,Y-H*.44)/${width})`
  return [
    cutOut(film, "far", "0x8a5a78", "farRidge", size),
    cutOut(film, "middle", "0x4d3358", "middleRidge", size),
    cutOut(film, "near", "0x17111f", "nearRidge", size),
    `color=black:s=480x270:r=${film.frameRate},format=gbrp,` +
      `geq=r='255*clip(.22+.80*Y/H+.55*${glow(38)},0,1)':g='255*clip(.13+.45*pow(Y/H,1.5)+.50*${glow(26)},0,1)'` +
      `:b='255*clip(.36-.10*Y/H+.30*${glow(20)},0,1)',${still},scale=${film.width}:${film.height}:flags=bicubic` +
      `:out_color_matrix=bt709,format=yuv420p,vignette=PI/5,${forever}[sky]`,
    `[sky][farRidge]${pan(film, 0.1)}[sky1]`,
    `[sky1][middleRidge]${pan(film, 0.22)}[sky2]`,
    `[sky2][nearRidge]${pan(film, 0.46)}`
  ].join(";\n")
}

const discs = [
  { colour: "0xd8432b", size: 0.9, x: ".30+.16*sin(t*.9)", y: ".46+.12*cos(t*.7)" },
  { colour: "0x1f3a5f", size: 0.62, x: ".66+.20*cos(t*.8+1)", y: ".58+.16*sin(t*1.1)" },
  { colour: "0xe8a33d", size: 0.42, x: ".52+.30*sin(t*1.2+2)", y: ".36+.20*sin(t*.9+1)" },
  { colour: "0x2f8f83", size: 0.3, x: ".22+.24*cos(t*1.4)", y: ".70+.18*cos(t*1.3+2)" },
  { colour: "0xf4ece0", size: 0.16, x: ".5+.38*sin(t*1.7)", y: ".5+.34*cos(t*1.7)" },
  { colour: "0x17181c", size: 0.09, x: ".5+.42*sin(t*2.3+3)", y: ".5+.36*sin(t*1.9)" }
] as const

const circles = (film: Film): string => {
  const pixels = (share: number) => Math.max(2, Math.round((share * film.height) / 2) * 2)
  return [
    `color=black:s=540x540:r=${film.frameRate},format=gray,geq=lum='clip((W/2-2-hypot(X-W/2,Y-H/2))*160,0,236)',` +
      `setparams=range=pc,${still},split=${discs.length}${discs.map((_, index) => `[round${index}]`).join("")}`,
    ...discs.flatMap(({ colour, size }, index) => [
      `[round${index}]scale=${pixels(size)}:${pixels(size)}:flags=bicubic[disc${index}]`,
      cutOut(film, `disc${index}`, colour, `shape${index}`, `${pixels(size)}x${pixels(size)}`)
    ]),
    `color=0xe9dcc5:s=${film.width}x${film.height}:r=${film.frameRate}[paper0]`,
    ...discs.map(
      ({ x, y }, index) =>
        `[paper${index}][shape${index}]overlay=x='W*(${x})-w/2':y='H*(${y})-h/2'` +
        (index === discs.length - 1 ? "" : `[paper${index + 1}]`)
    )
  ].join(";\n")
}

const fractal = (film: Film): string =>
  // More iterations only add noise, on which the encoder would spend all of its bits.
  `mandelbrot=s=640x360:r=${film.frameRate}:start_scale=0.012:end_scale=0.0015:end_pts=${film.frames}:maxiter=130` +
  `:outer=normalized_iteration_count:inner=black:bailout=100,format=yuv444p,gblur=.7,pseudocolor=preset=inferno`

const life = (film: Film): string =>
  `life=s=320x180:r=${film.frameRate}:mold=6:ratio=.12:seed=7:death_color=0x103a5c:life_color=0xd8fff0,format=gbrp,` +
  `scale=640:360:flags=neighbor,split[cells][cellsAgain];\n[cellsAgain]gblur=9[halo];\n` +
  `[cells]gblur=.8[sharp];\n[sharp][halo]blend=all_mode=screen`

const aurora = (film: Film): string => {
  const curtain = (edge: string) => `st(0,${edge}-Y/H)*0+if(gt(ld(0),0),exp(-ld(0)*5)*(1-exp(-ld(0)*22)),0)`
  return [
    cutOut(film, "nearAgain", "0x060a10", "nightRidge", `${wide(film)}x${film.height}`),
    `color=black:s=960x540:r=${film.frameRate},format=yuv420p,` +
      `geq=lum='16+if(gt(random(1),.9988),60+140*random(2),0)':cb=128:cr=128,${still},${forever}[stars]`,
    `color=black:s=160x45:r=${film.frameRate},format=gray,` +
      `geq=lum='255*clip((${curtain(".66+.12*sin(X/19+T*.5)+.05*sin(X/7.3-T*.8)")})` +
      `*(.62+.24*sin(X/1.6+3*sin(X/11+T*.7)+T)+.14*sin(X/4.7-T*1.9))` +
      `+.6*(${curtain(".46+.09*sin(X/25-T*.4+2)+.04*sin(X/8.7+T*.6)")})*(.7+.3*sin(X/1.9-T)),0,1)',format=yuv444p,` +
      `pseudocolor=c0='20+val*.86':c1='146-val*.12':c2='126+12*exp(-pow((val-70)/40,2))-val*.22',` +
      `scale=960:540:flags=bicubic,format=yuv420p[glow]`,
    `[glow][stars]blend=c0_mode=lighten,scale=${film.width}:${film.height}:flags=bicubic[night]`,
    `[night][nightRidge]${pan(film, 0.12)}`
  ].join(";\n")
}

/** A chord that swells with each scene, its root and fifth on the left, its third and octave on the right. */
const sound = (film: Film): string => {
  const seconds = film.frames / film.frameRate
  const scene = seconds / scenes.length
  const tone = (ratio: number, beat: number) => `sin(2*PI*ld(1)*${ratio}*t)*(.75+.25*sin(2*PI*${beat}*t))`
  const root = roots.map((hertz, index) => `eq(ld(0),${index})*${hertz}`).join("+")
  const swell = `min(1,2.5*min(mod(t,${scene}),${scene}-mod(t,${scene})))`
  const click = (every: number, hertz: number, loudness: number) =>
    `${loudness}*gte(t,${every})*exp(-mod(t,${every})*70)*sin(2*PI*${hertz}*mod(t,${every}))`
  const flash = Math.round(flashSeconds * film.frameRate) / film.frameRate
  const channel = (voices: string) =>
    `st(0,floor(t/${scene}));st(1,${root});.16*${swell}*(${voices})+${click(1, 1800, 0.25)}+${click(flash, 900, 0.6)}`
  const left = channel(`${tone(1, 0.31)}+.7*${tone(1.5, 0.47)}+.4*${tone(3, 0.9)}`)
  const right = channel(`${tone(2, 0.37)}+.7*${tone(2.52, 0.53)}+.4*${tone(4, 1.1)}`)
  return `aevalsrc=exprs='${left}|${right}':c=stereo:s=48000:d=${seconds}[sound]`
}

// A minor, F, C, G, A: one for each scene.
const roots = [110, 87.307, 130.813, 97.999, 110] as const
