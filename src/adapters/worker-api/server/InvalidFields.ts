/** What is wrong with a request, field by field, in the shape and words that clients of the protocol know. */
import { SchemaAST, type SchemaIssue } from "effect"
import type { HttpApiError } from "effect/http-api"
import type { Unprocessable } from "../contract/Errors.ts"
import { wireType } from "../contract/Fields.ts"
import { prefixHeader } from "../contract/Prefix.ts"

type Field = Exclude<Unprocessable["detail"], string>[number]
type Told = Pick<Field, "type" | "msg" | "ctx">
type Loc = ReadonlyArray<string | number>

const places: Readonly<Record<string, string>> = {
  Params: "path",
  Query: "query",
  Headers: "header",
  Payload: "body"
}

const missing: Told = { type: "missing", msg: "Field required" }

const pattern = (source: string): Told => ({
  type: "string_pattern_mismatch",
  msg: `String should match pattern '${source}'`,
  ctx: { pattern: source }
})

const limit = (type: string, text: string, key: string, value: unknown): Told => ({
  type,
  msg: `Input should be ${text} ${String(value)}`,
  ctx: { [key]: value }
})

const atLeast = (minimum: unknown) => limit("greater_than_equal", "greater than or equal to", "ge", minimum)
const atMost = (maximum: unknown) => limit("less_than_equal", "less than or equal to", "le", maximum)

const tooLong = (input: unknown, maximum: unknown): Told =>
  Array.isArray(input)
    ? {
        type: "too_long",
        msg: `List should have at most ${String(maximum)} items after validation, not ${input.length}`,
        ctx: { max_length: maximum, actual_length: input.length }
      }
    : {
        type: "string_too_long",
        msg: `String should have at most ${String(maximum)} characters`,
        ctx: { max_length: maximum }
      }

const textOf = (value: unknown, otherwise: string) => (typeof value === "string" ? value : otherwise)

const inputOf = (issue: SchemaIssue.Issue): unknown => ("input" in issue ? issue.input : undefined)

const filtered = ({ filter, issue }: SchemaIssue.Filter): Told => {
  const annotations = filter.annotations ?? {}
  const { id, payload } = (annotations["representation"] ?? {}) as {
    readonly id?: string
    readonly payload?: Readonly<Record<string, unknown>>
  }
  const input = inputOf(issue)
  switch (id) {
    case "effect/schema/isMaxLength":
      return tooLong(input, payload?.["maxLength"])
    case "effect/schema/isMaxCodePoints":
      return tooLong(input, payload?.["maxCodePoints"])
    case "effect/schema/isPattern":
      return pattern(textOf(payload?.["source"], ""))
    case "effect/schema/isGreaterThanOrEqualTo":
      return atLeast(payload?.["minimum"])
    case "effect/schema/isBetween":
      return Number(input) < Number(payload?.["minimum"]) ? atLeast(payload?.["minimum"]) : atMost(payload?.["maximum"])
    default:
      return issue._tag === "InvalidValue"
        ? {
            type: textOf(annotations[wireType], "value_error"),
            msg: textOf(issue.annotations?.message, "Value error, the value is not allowed")
          }
        : { type: "value_error", msg: "Value error, the value is not allowed" }
  }
}

const kinds: Partial<Record<SchemaAST.AST["_tag"], Told>> = {
  String: { type: "string_type", msg: "Input should be a valid string" },
  Number: { type: "float_type", msg: "Input should be a valid number" },
  Boolean: { type: "bool_type", msg: "Input should be a valid boolean" },
  Arrays: { type: "list_type", msg: "Input should be a valid list" },
  Objects: { type: "dict_type", msg: "Input should be a valid dictionary" }
}

const literals = (ast: SchemaAST.Union): ReadonlyArray<string> | null => {
  const values = ast.types.map((type) => (SchemaAST.isLiteral(type) ? type.literal : null))
  return values.every((value) => typeof value === "string") ? values : null
}

/** The one of a choice that was meant: a null beside it is never what the client got wrong. */
const meant = ({ ast, issues }: SchemaIssue.AnyOf): SchemaIssue.Issue | SchemaAST.AST | undefined => {
  const types = ast.types.filter((type) => !SchemaAST.isNull(type))
  if (types.length !== 1) return undefined
  return issues.find((issue) => !("ast" in issue && SchemaAST.isNull(issue.ast as SchemaAST.AST))) ?? types[0]
}

const wrongKind = (ast: SchemaAST.AST, input: unknown): Told => {
  if (SchemaAST.isUnion(ast)) {
    const names = literals(ast)
    if (names !== null) {
      return typeof input === "string" ? pattern(`^(${names.join("|")})$`) : kinds.String!
    }
    if (ast.types.some(SchemaAST.isNumber)) return { type: "int_type", msg: "Input should be a valid integer" }
    const [other] = ast.types.filter((type) => !SchemaAST.isNull(type))
    return other === undefined
      ? { type: "value_error", msg: "Value error, the value is not allowed" }
      : wrongKind(other, input)
  }
  const encoded = SchemaAST.toEncoded(ast)
  return kinds[encoded._tag] ?? { type: "value_error", msg: "Value error, the value is not allowed" }
}

const isIssue = (value: SchemaIssue.Issue | SchemaAST.AST): value is SchemaIssue.Issue => !SchemaAST.isAST(value)

/** There was no body at all. */
const isAbsent = (issue: SchemaIssue.Issue, loc: Loc) => loc.length === 1 && inputOf(issue) === undefined

const tell = (issue: SchemaIssue.Issue, loc: Loc): ReadonlyArray<Field> => {
  const one = (told: Told): ReadonlyArray<Field> => [{ ...told, loc: [...loc] }]
  switch (issue._tag) {
    case "Composite":
      return issue.issues.flatMap((inner) => tell(inner, loc))
    case "Pointer":
      return tell(issue.issue, [...loc, ...issue.path.map((key) => (typeof key === "number" ? key : String(key)))])
    case "Encoding":
      return tell(issue.issue, loc)
    case "Filter":
      return one(filtered(issue))
    case "MissingKey":
      return one(missing)
    case "UnexpectedKey":
      return one({ type: "extra_forbidden", msg: "Extra inputs are not permitted" })
    case "AnyOf": {
      const inner = meant(issue)
      if (inner !== undefined && isIssue(inner)) return tell(inner, loc)
      return one(isAbsent(issue, loc) ? missing : wrongKind(inner ?? issue.ast, inputOf(issue)))
    }
    case "InvalidType":
      return one(isAbsent(issue, loc) ? missing : wrongKind(issue.ast, inputOf(issue)))
    case "InvalidValue": {
      const message = textOf(issue.annotations?.message, "Value error, the value is not allowed")
      return one({ type: textOf(issue.annotations?.[wireType], "value_error"), msg: message })
    }
    default:
      return one({ type: "value_error", msg: "Value error, the value is not allowed" })
  }
}

/** Headers are named as the protocol's documents do. */
const headerNames: Readonly<Record<string, string>> = {
  "x-content-sha256": "X-Content-SHA256",
  [prefixHeader]: "X-Source-Prefix"
}

export const invalidFields = (error: HttpApiError.HttpApiSchemaError): ReadonlyArray<Field> => {
  const place = places[error.kind] ?? error.kind.toLowerCase()
  return tell(error.cause.issue, [place]).map((field) =>
    place === "header"
      ? { ...field, loc: field.loc.map((part) => (typeof part === "string" ? (headerNames[part] ?? part) : part)) }
      : field
  )
}

/** A body that is no JSON. The position is where the parser gave up. */
export const invalidJson = (text: string): ReadonlyArray<Field> => {
  try {
    JSON.parse(text)
    return []
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : "not JSON"
    const position = Number(/position (\d+)/.exec(message)?.[1] ?? 0)
    return [{ type: "json_invalid", loc: ["body", position], msg: "JSON decode error", ctx: { error: message } }]
  }
}
