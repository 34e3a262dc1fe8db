/**
 * How far the proof went that a backup can be restored. Each level finds what those before it cannot:
 *
 *     1 contents      the table of contents can be read and names every table
 *     2 digest        the stored bytes are those that were written
 *     3 read          the whole archive can be unpacked
 *     4 restore       a database can be made from it
 *     5 fingerprint   that database holds the rows of the source
 *     6 indexes       tables and indexes of that database are sound
 */
import { Schema } from "effect"

export const levels = ["contents", "digest", "read", "restore", "fingerprint", "indexes"] as const

export const Check = Schema.Literals(levels)
export type Check = typeof Check.Type

export const Level = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: levels.length })))

/** What "verified" means on a dashboard. */
export const verifiedLevel = 5

export const highestLevel = levels.length

export const levelOf = (check: Check): number => levels.indexOf(check) + 1

export const CheckResult = Schema.Struct({
  check: Check,
  outcome: Schema.Literals(["passed", "failed", "skipped"]),
  seconds: Schema.Finite,
  /** Why it failed or was skipped. */
  problem: Schema.NullOr(Schema.String)
})
export interface CheckResult extends Schema.Schema.Type<typeof CheckResult> {}

const passed = (results: ReadonlyArray<CheckResult>, check: Check) =>
  results.some((result) => result.check === check && result.outcome === "passed")

/** The highest level that was passed together with all below it. */
export const levelReached = (results: ReadonlyArray<CheckResult>): number => {
  const missing = levels.findIndex((check) => !passed(results, check))
  return missing === -1 ? highestLevel : missing
}

export const failureOf = (results: ReadonlyArray<CheckResult>): CheckResult | undefined =>
  results.find((result) => result.outcome === "failed")

/**
 * Whether a check that fails `now` says something of the machine on which it ran, and nothing of the backup: the very
 * bytes that it passed `before` are still there. The rows are another matter, being what tells of a forged digest.
 */
export const isElsewhere = (
  { check }: CheckResult,
  now: ReadonlyArray<CheckResult>,
  before: ReadonlyArray<CheckResult>
): boolean => check !== "fingerprint" && passed(now, "digest") && passed(before, check)
