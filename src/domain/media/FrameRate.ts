/** Frames per second as an exact fraction: 30000/1001 is not 29.97. */
import { Schema } from "effect"

export const FrameRate = Schema.Struct({ numerator: Schema.Int, denominator: Schema.Int })
export interface FrameRate extends Schema.Schema.Type<typeof FrameRate> {}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b))

export const make = (numerator: number, denominator = 1): FrameRate => {
  const divisor = gcd(numerator, denominator)
  return { numerator: numerator / divisor, denominator: denominator / divisor }
}

export const toNumber = (rate: FrameRate): number => rate.numerator / rate.denominator

/** `30000/1001`, the form of ffmpeg's options and of DASH's `@frameRate`; a whole rate is written without the `/1`. */
export const format = (rate: FrameRate): string =>
  rate.denominator === 1 ? `${rate.numerator}` : `${rate.numerator}/${rate.denominator}`

/** Seconds that `frames` frames last. */
export const seconds = (rate: FrameRate, frames: number): number => (frames * rate.denominator) / rate.numerator

/** Half of it, where one frame in two is left. */
export const half = (rate: FrameRate): FrameRate => make(rate.numerator, rate.denominator * 2)

/** Above 35 frames a second: with half of them a film still moves as one does that is made for 24 or 30. */
export const isHigh = (rate: FrameRate): boolean => toNumber(rate) > 35

/** The nearest whole number of frames in `duration` seconds. */
export const framesIn = (rate: FrameRate, duration: number): number =>
  Math.round((duration * rate.numerator) / rate.denominator)

/** The rates that cameras and players agree on, in rising order. */
export const standard: ReadonlyArray<FrameRate> = [
  make(24000, 1001),
  make(24),
  make(25),
  make(30000, 1001),
  make(30),
  make(48),
  make(50),
  make(60000, 1001),
  make(60)
]

const highest = make(60)

/** A rate no higher than 60, by halving: 120 becomes 60, 119.88 becomes 59.94. */
const halved = (rate: FrameRate): FrameRate => (toNumber(rate) > toNumber(highest) * 1.001 ? halved(half(rate)) : rate)

/**
 * The grid that output frames lie on. A constant source keeps its own rate. A variable one gets the standard rate that
 * its usual one is but for imprecision, or else the lowest that loses nothing.
 */
export const grid = (options: {
  readonly nominal: FrameRate
  readonly usual: FrameRate
  readonly constant: boolean
}): FrameRate => {
  if (options.constant) return halved(options.nominal)
  const usual = toNumber(options.usual)
  const off = (rate: FrameRate) => Math.abs(toNumber(rate) / usual - 1)
  const [nearest = highest] = standard.toSorted((a, b) => off(a) - off(b))
  return off(nearest) < 0.001 ? nearest : (standard.find((rate) => toNumber(rate) >= usual) ?? highest)
}
