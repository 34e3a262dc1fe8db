/** What the libraries of Node say of a failure, which is typed nowhere. */

export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** `ENOENT` of the system, `Z_DATA_ERROR` of zlib, `57P01` of PostgreSQL. */
export const codeOf = (cause: unknown): string | null =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : null

/** No room on the disk, or none left to this user. */
export const isFull = (cause: unknown): boolean => codeOf(cause) === "ENOSPC" || codeOf(cause) === "EDQUOT"
