/** Rows in columns, as wide as their widest cell on the screen. */
import { CliOutput } from "effect/cli"

/** Names come from outside: a terminal is not to obey them, nor to show what is beside them the wrong way round. */
const printable = (text: string): string => text.replaceAll(/[\p{Control}\u202A-\u202E\u2066-\u2069]/gu, " ")

const padded = (cell: string, width: number) => cell + " ".repeat(Math.max(0, width - CliOutput.displayWidth(cell)))

export const table = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const cells = rows.map((row) => row.map(printable))
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => CliOutput.displayWidth(row[column]!))))
  return cells
    .map((row) =>
      row
        .map((cell, column) => padded(cell, widths[column]!))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}
