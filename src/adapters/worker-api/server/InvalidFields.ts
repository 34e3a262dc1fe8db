/** What is wrong with a request, field by field, in the shape that clients of the protocol know. */
import { SchemaIssue } from "effect"
import type { HttpApiError } from "effect/http-api"
import type { Unprocessable } from "../contract/Errors.ts"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

const places: Readonly<Record<string, string>> = {
  Params: "path",
  Query: "query",
  Headers: "header",
  Payload: "body",
  Body: "body"
}

const segment = (part: PropertyKey | { readonly key: PropertyKey }): string | number => {
  const key = typeof part === "object" ? part.key : part
  return typeof key === "number" ? key : String(key)
}

export const invalidFields = (error: HttpApiError.HttpApiSchemaError): Exclude<Unprocessable["detail"], string> =>
  format(error.cause.issue).issues.map((issue) => ({
    type: "value_error",
    loc: [places[error.kind] ?? error.kind.toLowerCase(), ...(issue.path ?? []).map(segment)],
    msg: issue.message
  }))
