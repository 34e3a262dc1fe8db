/** How close a rendition is to the pictures that it was made from: SSIM and PSNR, and VMAF where ffmpeg has it. */
import { Effect } from "effect"
import type { VideoRendition } from "../../src/domain/media/Rendition.ts"
import type { TranscodePlan } from "../../src/domain/media/TranscodePlan.ts"
import { Subprocess } from "../../src/adapters/process/Subprocess.ts"

const metrics = [
  { name: "SSIM", filter: "ssim", found: /SSIM .*All:(\S+)/, digits: 4 },
  { name: "PSNR", filter: "psnr", found: /PSNR .*average:(\S+)/, digits: 2 },
  { name: "VMAF", filter: "libvmaf", found: /VMAF score: (\S+)/, digits: 2 }
]

export const measure = Effect.fnUntraced(function* (
  file: string,
  raw: string,
  { height, width }: VideoRendition,
  plan: TranscodePlan
) {
  const subprocess = yield* Subprocess
  const { stdout } = yield* subprocess.run("ffmpeg", ["-hide_banner", "-filters"])
  const { denominator, numerator } = plan.grid.frameRate
  const reference = `-f rawvideo -pix_fmt yuv420p -video_size ${width}x${height} -framerate ${numerator}/${denominator} -i`
  const scores = yield* Effect.forEach(
    metrics.filter(({ filter }) => stdout.includes(` ${filter} `)),
    ({ digits, filter, found, name }) =>
      subprocess
        .run("ffmpeg", [
          ..."-nostdin -hide_banner -i".split(" "),
          file,
          ...reference.split(" "),
          raw,
          "-filter_complex",
          `[0:v]settb=AVTB,setpts=N[a];[1:v]settb=AVTB,setpts=N[b];[a][b]${filter}`,
          ..."-an -f null -".split(" ")
        ])
        .pipe(Effect.map(({ stderrTail }) => `${name} ${Number(found.exec(stderrTail)?.[1]).toFixed(digits)}`))
  )
  return scores.join(" ")
})
