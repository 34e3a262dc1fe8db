/** Figures, as a bench tells them. */

export const median = (numbers: ReadonlyArray<number>) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? NaN

/** Rows of as many columns as the first has. */
export const print = (rows: ReadonlyArray<ReadonlyArray<string | number>>) => {
  const text = rows.map((row) => row.map(String))
  const widths = text[0]!.map((_, column) => Math.max(...text.map((row) => (row[column] ?? "").length)))
  for (const row of text)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd()
    )
}
