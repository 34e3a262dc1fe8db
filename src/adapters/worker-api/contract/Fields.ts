/** Field shapes that several routes share. */
import { Effect, Schema, SchemaIssue, SchemaTransformation } from "effect"

/** Characters are counted as clients of this protocol do, in Python. */
export const Text = (maximum: number) => Schema.String.pipe(Schema.check(Schema.isMaxCodePoints(maximum)))

/** Absent and null mean the same to clients of this protocol. */
export const optionalNull = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

export const withDefault = <S extends Schema.Top>(schema: S, value: S["Encoded"]) =>
  schema.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))

/** What an issue is called in a 422 body, where the shape of the schema alone does not say it. */
export const wireType = "vlog/wireType"

const invalid = (type: string, message: string) =>
  Effect.fail(new SchemaIssue.InvalidValue({ message, [wireType]: type }))

const parsedInteger = (value: unknown) => {
  if (typeof value === "number") {
    return Number.isSafeInteger(value)
      ? Effect.succeed(value)
      : invalid("int_from_float", "Input should be a valid integer, got a number with a fractional part")
  }
  return typeof value === "string" && /^\s*[+-]?\d{1,15}(?:\.0+)?\s*$/.test(value)
    ? Effect.succeed(Number(value))
    : invalid("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
}

/** Clients of this protocol may send whole numbers as `5.0` and as `"7"`. */
export const Integer = Schema.Union([Schema.Finite, Schema.String]).pipe(
  Schema.decodeTo(
    Schema.Int,
    SchemaTransformation.transformEffect<number, number | string>({
      decode: parsedInteger,
      encode: (value) => Effect.succeed(value)
    })
  )
)

export const Decimal = Schema.Union([Schema.Finite, Schema.String]).pipe(
  Schema.decodeTo(
    Schema.Finite,
    SchemaTransformation.transformEffect({
      decode: (value) => {
        const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
        return typeof number === "number" && Number.isFinite(number)
          ? Effect.succeed(number)
          : invalid("float_parsing", "Input should be a valid number, unable to parse string as a number")
      },
      encode: (value) => Effect.succeed(value)
    })
  )
)

const words: Readonly<Record<string, boolean>> = {
  true: true,
  "1": true,
  yes: true,
  on: true,
  false: false,
  "0": false,
  no: false,
  off: false
}

export const Truth = Schema.Union([Schema.Boolean, Schema.Finite, Schema.String]).pipe(
  Schema.decodeTo(
    Schema.Boolean,
    SchemaTransformation.transformEffect({
      decode: (value) => {
        const truth = typeof value === "boolean" ? value : words[String(value).toLowerCase()]
        return truth === undefined
          ? invalid("bool_parsing", "Input should be a valid boolean, unable to interpret input")
          : Effect.succeed(truth)
      },
      encode: (value) => Effect.succeed(value)
    })
  )
)

/** A whole number from `minimum` to `maximum`. */
export const integerFrom = (minimum: number, maximum = Number.MAX_SAFE_INTEGER) =>
  maximum === Number.MAX_SAFE_INTEGER
    ? Integer.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(minimum)))
    : Integer.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

/** A whole number in a path or a query. */
export const IntegerText = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Int,
    SchemaTransformation.transformEffect({
      decode: parsedInteger,
      encode: (value) => Effect.succeed(String(value))
    })
  )
)

export const integerBetween = (minimum: number, maximum: number) =>
  IntegerText.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))

/** Refuses keys that the schema does not have, which the rest of this protocol ignores. */
export const strict = <S extends Schema.Decoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(schema, { onExcessProperty: "error", errors: "all", reportInput: true })
  return Schema.Record(Schema.String, Schema.Unknown).pipe(
    Schema.decodeTo(
      Schema.toType(schema),
      SchemaTransformation.transformEffect({
        decode: (value: { readonly [x: string]: unknown }) => Effect.mapError(decode(value), (error) => error.issue),
        encode: (value) => Effect.succeed(value as { readonly [x: string]: unknown })
      })
    )
  )
}

/** A rule of its own, told in the words of the protocol. */
export const rule = <A>(text: string, holds: (value: A) => boolean) =>
  Schema.makeFilter<A>((value) => holds(value) || `Value error, ${text}`, { [wireType]: "value_error" })

/** What a list is asked for, and what it says of itself. */
export const paging = {
  limit: Schema.optionalKey(integerBetween(1, 200)),
  offset: Schema.optionalKey(integerBetween(0, 2 ** 31 - 1))
}

export const pageFields = {
  /** How many there are in all, with the same filters. */
  total: Schema.Int,
  limit: Schema.Int,
  offset: Schema.Int
}
