/** What is known of one thing, a line for each. */
import { table } from "./table.ts"

/** What is not known is left out. */
export const facts = (rows: ReadonlyArray<readonly [name: string, value: string | null]>): string =>
  table(rows.flatMap(([name, value]) => (value === null ? [] : [[name, value]])))
