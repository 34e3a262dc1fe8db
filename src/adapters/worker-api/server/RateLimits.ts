/**
 * How often whom may ask what. Counts are kept by this process: they are to stop a flood and a guesser, not to share out
 * an allowance. Failures count too, and before anything is looked up.
 */
import { Clock, Context, Duration, Effect, Layer, Schema } from "effect"

const periods = { second: 1, minute: 60, hour: 3600, day: 86_400 } as const

export interface RateLimit {
  readonly count: number
  readonly period: keyof typeof periods
}

/** `300/minute`. */
export const RateLimitText = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[1-9]\d{0,8}\/(?:second|minute|hour|day)$/, { expected: "a rate like 300/minute" }))
)

export const parseRate = (text: string): RateLimit => {
  const [count, period] = text.split("/")
  return { count: Number(count), period: period as RateLimit["period"] }
}

/** `upload`: each segment is a request. `failure`: wrong keys and secrets, by address. */
export type LimitClass = "default" | "progress" | "register" | "upload" | "metrics" | "failure"

export type Limits = Readonly<Record<LimitClass, RateLimit>>

/** A worker's segments come as fast as it encodes, and the older protocol's worker loses one that is told to wait. */
export const defaultLimits: Limits = {
  default: { count: 1200, period: "minute" },
  progress: { count: 600, period: "minute" },
  register: { count: 120, period: "minute" },
  upload: { count: 12_000, period: "minute" },
  metrics: { count: 60, period: "minute" },
  failure: { count: 60, period: "minute" }
}

export class RateExceeded extends Schema.TaggedError<RateExceeded>()("RateExceeded", {
  limit: Schema.String,
  retryAfterSeconds: Schema.Int
}) {
  override get message() {
    return `Rate limit exceeded: ${this.limit}`
  }
}

interface Window {
  start: number
  readonly counts: Map<string, number>
}

export class RateLimits extends Context.Service<
  RateLimits,
  {
    /** Counts a request of `who`, and fails when it is one too many. */
    take(kind: LimitClass, who: string): Effect.Effect<void, RateExceeded>
    /** Fails when `who` has used up its share, without counting. */
    check(kind: LimitClass, who: string): Effect.Effect<void, RateExceeded>
  }
>()("vlog/adapters/worker-api/server/RateLimits") {
  static readonly layer = (limits: Limits = defaultLimits) => Layer.sync(RateLimits, () => make(limits))

  static readonly layerOff = Layer.sync(RateLimits, () =>
    RateLimits.of({ take: () => Effect.void, check: () => Effect.void })
  )
}

const make = (limits: Limits) => {
  const windows = new Map<LimitClass, Window>()

  /** Forgets everybody when a window ends, so that a crowd of addresses costs memory for one window only. */
  const current = (kind: LimitClass, now: number) => {
    const length = periods[limits[kind].period] * 1000
    const start = now - (now % length)
    const window = windows.get(kind)
    if (window?.start === start) return window
    const next: Window = { start, counts: new Map() }
    windows.set(kind, next)
    return next
  }

  const count = (kind: LimitClass, who: string, more: number) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { count, period } = limits[kind]
      const window = current(kind, now)
      const used = (window.counts.get(who) ?? 0) + more
      if (more > 0) window.counts.set(who, used)
      if (more > 0 ? used <= count : used < count) return Effect.void
      const left = window.start + periods[period] * 1000 - now
      return new RateExceeded({
        limit: `${count} per 1 ${period}`,
        retryAfterSeconds: Math.max(1, Math.ceil(Duration.toSeconds(left)))
      })
    })

  return RateLimits.of({ take: (kind, who) => count(kind, who, 1), check: (kind, who) => count(kind, who, 0) })
}
