/** ffmpeg's `-progress` output: lines of `key=value`, a block ended by `progress=continue` or `progress=end`. */

export interface ProgressBlock {
  readonly frames: number
  readonly speed: number | null
  /** How far the longest of the outputs has come. */
  readonly seconds: number | null
}

/** Feeds on one line after the other and gives a block whenever one is complete. Values may be `N/A`. */
export const makeProgressReader = () => {
  let values = new Map<string, string>()
  return (line: string): ProgressBlock | null => {
    const [key = "", value = ""] = line.split("=", 2)
    if (key !== "progress") {
      values.set(key, value.trim())
      return null
    }
    const frames = Number.parseInt(values.get("frame") ?? "", 10)
    const speed = Number.parseFloat(values.get("speed") ?? "")
    const micros = Number.parseInt(values.get("out_time_us") ?? "", 10)
    values = new Map()
    return {
      frames: Number.isNaN(frames) ? 0 : frames,
      speed: Number.isNaN(speed) ? null : speed,
      seconds: Number.isNaN(micros) ? null : micros / 1e6
    }
  }
}
