/** What an upload may ask of its job, in the query. */
import { Schema } from "effect"
import type { Wishes } from "../../../domain/jobs/Wishes.ts"
import { VideoCodec } from "../../../domain/media/Codec.ts"
import { integerBetween, rule } from "./Fields.ts"

const instant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})$/

/** Not so February 30, which is parsed as a day of March. */
const isDay = (text: string) => new Date(text).toISOString().startsWith(text)

const Instant = Schema.String.pipe(
  Schema.check(
    rule<string>(
      "Expected a time with its zone, like 2026-12-24T18:00:00Z (in a query, + is written %2B)",
      (text) => instant.test(text) && !Number.isNaN(Date.parse(text)) && isDay(text.slice(0, 10))
    )
  ),
  Schema.decodeTo(Schema.DateFromString)
)

export const wishes = {
  priority: Schema.optionalKey(integerBetween(-100, 100)),
  run_at: Schema.optionalKey(Instant),
  /** Made in this codec where the worker can, or else in another. */
  prefer_codec: Schema.optionalKey(VideoCodec),
  /** Made in this codec or not at all; wins over a preferred one. */
  require_codec: Schema.optionalKey(VideoCodec)
}

const Fields = Schema.Struct(wishes)

export const wishesOf = (fields: typeof Fields.Type): Wishes => {
  const name = fields.require_codec ?? fields.prefer_codec
  return {
    priority: fields.priority ?? 0,
    runAt: fields.run_at ?? null,
    codec: name === undefined ? null : { name, required: fields.require_codec !== undefined }
  }
}
