/** Versions of PostgreSQL's programs: a client cannot dump a server that is newer. */

/** From `pg_dump (PostgreSQL) 15.18 (Debian ...)`, or from a server's own `15.18`. */
export const majorOf = (text: string): number | undefined => {
  const major = /(?:^|\) )(\d+)/.exec(text)?.[1]
  return major === undefined ? undefined : Number(major)
}
