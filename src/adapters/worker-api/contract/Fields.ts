/** Field shapes that several routes share. */
import { Effect, Schema } from "effect"

export const Text = (maximum: number) => Schema.String.pipe(Schema.check(Schema.isMaxLength(maximum)))

/** Absent and null mean the same to clients of this protocol. */
export const optionalNull = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

export const withDefault = <S extends Schema.Top>(schema: S, value: S["Encoded"]) =>
  schema.pipe(Schema.withDecodingDefaultKey(Effect.succeed(value)))

/** A whole number in a path or a query. */
const IntegerText = Schema.FiniteFromString.pipe(Schema.decodeTo(Schema.Int))

export const integerBetween = (minimum: number, maximum: number) =>
  IntegerText.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))
