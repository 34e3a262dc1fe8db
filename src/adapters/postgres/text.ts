/**
 * Text from outside, as PostgreSQL can hold it: neither text nor jsonb takes NUL, and jsonb no half of a surrogate pair.
 * Both are left out, because a statement that is refused for them is refused each time that it is tried again.
 */
import type postgres from "postgres"

const textTypes = [25, 1043]
const jsonTypes = [114, 3802]

const storable = (text: string) => text.replaceAll("\0", "").toWellFormed()

/** As `JSON.stringify` writes them: pairs stand for themselves, so that a surrogate that is escaped is alone. */
const unstorable = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g

const storableJson = (json: string) => (json.includes("\\u") ? json.replaceAll(unstorable, "$1") : json)

export function registerText({ serializers }: postgres.ParsedOptions<any>): void {
  for (const type of textTypes) serializers[type] = (value: unknown) => storable(String(value))
  for (const type of jsonTypes) serializers[type] = (value: unknown) => storableJson(JSON.stringify(value))
}
