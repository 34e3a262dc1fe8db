/** Quantities and times as the pages show them. */
import { html, type Html } from "./Html.ts"

/** `75.4` → `1:15`, `3700` → `1:01:40`. */
export const duration = (seconds: number): string => {
  const whole = Math.max(0, Math.round(seconds))
  const pad = (value: number) => String(value).padStart(2, "0")
  const hours = Math.floor(whole / 3600)
  const minutes = Math.floor((whole % 3600) / 60)
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`
}

/** A rough time left: nobody wants to see seconds of an estimate. */
export const roughly = (seconds: number): string => {
  if (seconds < 10) return "a few seconds"
  if (seconds < 90) return `about ${Math.round(seconds / 10) * 10} seconds`
  if (seconds < 90 * 60) return `about ${Math.round(seconds / 60)} minutes`
  return `about ${Math.round(seconds / 3600)} hours`
}

/** Bytes in decimal units, as disks and networks are sold. */
export const bytes = (count: number): string => scaled(count, ["B", "kB", "MB", "GB", "TB"])

/** Bits per second, as players and networks name it. */
export const bitRate = (bitsPerSecond: number): string => scaled(bitsPerSecond, ["b/s", "kb/s", "Mb/s", "Gb/s"])

const scaled = (value: number, units: ReadonlyArray<string>): string => {
  let rest = value
  let index = 0
  while (rest >= 999.5 && index < units.length - 1) {
    rest /= 1000
    index += 1
  }
  const digits = index === 0 || rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2
  return `${rest.toFixed(digits)} ${units[index]}`
}

export const frameRate = (framesPerSecond: number): string => `${Number(framesPerSecond.toFixed(3))} fps`

/** A percentage that says 100 only when nothing is left. */
export const percent = (value: number): number => Math.min(100, Math.max(0, Math.floor(value)))

export const size = (width: number, height: number): string => `${width} × ${height}`

/** `page.js` rewrites it to the reader's own time zone; without it UTC stands there and says so. */
export const time = (date: Date): Html =>
  html`<time datetime="${date.toISOString()}">${dateText.format(date)} UTC</time>`

const dateText = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" })
