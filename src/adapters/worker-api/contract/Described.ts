/**
 * What the contract's types do not tell readers of its OpenAPI document: bodies that are read as they arrive, and answers
 * that come before a route is asked or that belong to files.
 */
import { OpenApi } from "effect/http-api"

interface Operation {
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> }
  readonly responses: Readonly<Record<string, unknown>>
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

const saying = (description: string, ...texts: ReadonlyArray<string>) => ({
  description,
  content: {
    "application/json": {
      schema: {
        type: "object",
        properties: Object.fromEntries(texts.map((text) => [text, { type: "string" }])),
        required: texts
      }
    }
  }
})

export const refusal = (description: string) => saying(description, "detail")

const tooMany = saying("Rate limit exceeded; `Retry-After` says for how many seconds", "detail", "error")

const ofJsonBodies = {
  "408": refusal("The body did not arrive in time"),
  "413": refusal("The body is larger than is taken here"),
  "415": refusal("The body is of another type than JSON")
}

const readsJson = ({ requestBody }: Operation) => requestBody !== undefined && "application/json" in requestBody.content

const mapped = <A, B>(record: Readonly<Record<string, A>>, f: (value: A, key: string) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, f(value, key)]))

/** Fields that a reader does not know are to be ignored, on both sides. */
const open = <A>(document: A): A =>
  JSON.parse(
    JSON.stringify(document, (key, value: unknown) =>
      key === "additionalProperties" && value === false ? undefined : value
    )
  ) as A

/** Of the whole document. */
export const withCommonAnswers = OpenApi.annotations({
  transform: (spec) => {
    const { paths, ...rest } = open(spec as Document)
    return {
      ...rest,
      paths: mapped(paths, (operations) =>
        mapped(operations, (operation, method) => ({
          ...operation,
          responses: {
            ...(readsJson(operation) ? ofJsonBodies : {}),
            ...operation.responses,
            ...(method === "options" ? {} : { "429": tooMany })
          }
        }))
      )
    }
  }
})

/** Of one route: answers beside those of its types, and null for one that it never gives. */
export const answering = (more: Readonly<Record<string, object | null>>) =>
  OpenApi.annotations({
    transform: (operation) => {
      const all = { ...(operation as Operation).responses, ...more }
      return {
        ...operation,
        responses: Object.fromEntries(Object.entries(all).filter(([, answer]) => answer !== null))
      }
    }
  })

const binary = { type: "string", format: "binary" }

const taking = (contentType: string, schema: object) =>
  OpenApi.annotations({ override: { requestBody: { required: true, content: { [contentType]: { schema } } } } })

export const takingBytes = (contentType: string) => taking(contentType, binary)

export const takingFile = taking("multipart/form-data", {
  type: "object",
  properties: { file: binary },
  required: ["file"]
})
