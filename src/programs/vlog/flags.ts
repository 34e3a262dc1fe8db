/** Flags that several commands take. */
import { Schema } from "effect"
import { Flag } from "effect/cli"

/** As many as the API gives at once. */
export const pageFlags = {
  limit: Flag.Int("limit").pipe(
    Flag.withDescription("How many at most, 1 to 200; 50 without it"),
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 }))),
    Flag.withDefault(50)
  ),
  offset: Flag.Int("offset").pipe(
    Flag.withDescription("How many to leave out before them"),
    Flag.withSchema(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
    Flag.withDefault(0)
  )
}
