/** Numbers and times within bounds: what makes no sense is refused at the start, not found out in the night. */
import { Duration, Schema } from "effect"

export const whole = (minimum: number, maximum: number) =>
  Schema.FiniteFromString.pipe(Schema.check(Schema.isInt(), Schema.isBetween({ minimum, maximum })))

/** As people write it: `90 seconds`, `2 hours`. */
export const time = (minimum: Duration.Input & string, maximum: Duration.Input & string) =>
  Schema.DurationFromString.pipe(
    Schema.check(
      Schema.makeFilter(
        (duration) =>
          Duration.between(duration, {
            minimum: Duration.fromInputUnsafe(minimum),
            maximum: Duration.fromInputUnsafe(maximum)
          }) || `Expected a time from ${minimum} to ${maximum}`
      )
    )
  )
