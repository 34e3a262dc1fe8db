/**
 * What a database holds, short enough to be kept: for each table the number of rows and a sum of their hashes, which is
 * the same in any order. Two databases with one fingerprint hold the same rows.
 */
import { Schema } from "effect"

export const TableFingerprint = Schema.Struct({
  schema: Schema.String,
  name: Schema.String,
  rows: Schema.Int,
  /** A number of any length. */
  hash: Schema.String
})
export interface TableFingerprint extends Schema.Schema.Type<typeof TableFingerprint> {}

export const Fingerprint = Schema.Struct({
  tables: Schema.Array(TableFingerprint),
  largeObjects: Schema.Struct({ count: Schema.Int, hash: Schema.String }),
  /** How many there are of each kind: indexes, constraints, functions and so on. */
  objects: Schema.Record(Schema.String, Schema.Int)
})
export interface Fingerprint extends Schema.Schema.Type<typeof Fingerprint> {}

export const tableName = (table: Pick<TableFingerprint, "schema" | "name">): string => `${table.schema}.${table.name}`

export const totalRows = (fingerprint: Fingerprint): number =>
  fingerprint.tables.reduce((sum, table) => sum + table.rows, 0)

const tableDifference = (wanted: TableFingerprint, found: TableFingerprint | undefined): string | undefined => {
  const name = tableName(wanted)
  if (found === undefined) return `the table ${name} is missing`
  if (found.rows !== wanted.rows) return `${name} has ${found.rows} rows instead of ${wanted.rows}`
  return found.hash === wanted.hash ? undefined : `${name} has the right number of rows, but not the same ones`
}

const countDifference = (kind: string, wanted: number, found: number): string | undefined =>
  wanted === found ? undefined : `there are ${found} of ${kind} instead of ${wanted}`

export const tableDifferences = (
  wanted: ReadonlyArray<TableFingerprint>,
  found: ReadonlyArray<TableFingerprint>
): ReadonlyArray<string> => {
  const byName = new Map(found.map((table) => [tableName(table), table]))
  const expected = new Set(wanted.map(tableName))
  const additional = found.filter((table) => !expected.has(tableName(table)))
  return [
    ...wanted.map((table) => tableDifference(table, byName.get(tableName(table)))),
    ...additional.map((table) => `the table ${tableName(table)} was not in the source`)
  ].filter((text) => text !== undefined)
}

/** In words, one a difference; empty when both hold the same. */
export const differences = (wanted: Fingerprint, found: Fingerprint): ReadonlyArray<string> => {
  const kinds = new Set([...Object.keys(wanted.objects), ...Object.keys(found.objects)])
  return [
    ...tableDifferences(wanted.tables, found.tables),
    countDifference("large objects", wanted.largeObjects.count, found.largeObjects.count),
    wanted.largeObjects.hash === found.largeObjects.hash ? undefined : "the contents of the large objects differ",
    ...[...kinds].map((kind) => countDifference(kind, wanted.objects[kind] ?? 0, found.objects[kind] ?? 0))
  ].filter((text) => text !== undefined)
}
