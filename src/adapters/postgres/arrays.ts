/**
 * Arrays of one dimension of the built-in types. postgres.js asks the server for their numbers with a statement of its
 * own, and when the connection is lost meanwhile its rejection reaches nobody and ends the program.
 */
import type postgres from "postgres"

/** The type of an element, and that of an array of them: bool, bytea, int8, int2, int4, text, ... */
const typesOfArrays: ReadonlyArray<readonly [element: number, array: number]> = [
  [16, 1000],
  [17, 1001],
  [20, 1016],
  [21, 1005],
  [23, 1007],
  [25, 1009],
  [114, 199],
  [700, 1021],
  [701, 1022],
  [1043, 1015],
  [1082, 1182],
  [1114, 1115],
  [1184, 1185],
  [1700, 1231],
  [2950, 2951],
  [3802, 3807]
]

export function registerArrays(options: postgres.ParsedOptions<any>): void {
  const { parsers, serializers } = options
  const { shared } = options as unknown as { readonly shared: { readonly typeArrayMap: Record<number, number> } }
  for (const [element, array] of typesOfArrays) {
    shared.typeArrayMap[element] = array
    parsers[array] = (text: string) => parse(text, parsers[element] ?? ((text) => text))
    serializers[array] = (values: unknown) => serialize(values, serializers[element] ?? String)
  }
}

function parse(text: string, element: (text: string) => unknown): ReadonlyArray<unknown> {
  if (!/^\{(?!\{)/.test(text)) throw new Error("only arrays of one dimension, counted from 1, can be read")
  return [...text.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|[^,]+/g)].map(([word, quoted]) => {
    if (quoted !== undefined) return element(quoted.replaceAll(/\\(.)/gs, "$1"))
    return word === "NULL" ? null : element(word)
  })
}

function serialize(values: unknown, element: (value: any) => unknown): unknown {
  if (!Array.isArray(values)) return values
  const words = values.map((value) =>
    value === null ? "NULL" : `"${String(element(value)).replaceAll(/["\\]/g, "\\$&")}"`
  )
  return `{${words.join(",")}}`
}
