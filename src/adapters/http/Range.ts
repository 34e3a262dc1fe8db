/** A single byte range of RFC 9110 section 14. */

export type ByteRange =
  /** The whole file: there is no range, or it is of a kind that a server may ignore. */
  | { readonly _tag: "Whole" }
  | { readonly _tag: "Part"; readonly start: number; readonly end: number }
  | { readonly _tag: "Unsatisfiable" }

const whole: ByteRange = { _tag: "Whole" }

/** `bytes=a-b`, `bytes=a-` or `bytes=-n` of a file of `size` bytes; `end` is the last byte of the part. */
export const parseRange = (header: string | undefined, size: number): ByteRange => {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "")
  const [, from = "", to = ""] = match ?? []
  if (match === null || (from === "" && to === "")) return whole
  const start = from === "" ? Math.max(0, size - Number(to)) : Number(from)
  const end = from === "" || to === "" ? size - 1 : Math.min(Number(to), size - 1)
  if (from !== "" && to !== "" && Number(to) < Number(from)) return whole
  return start >= size || (from === "" && Number(to) === 0) ? { _tag: "Unsatisfiable" } : { _tag: "Part", start, end }
}
