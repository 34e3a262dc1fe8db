/** What one check of the doctor found. */
import { Schema } from "effect"

export const Finding = Schema.Struct({
  check: Schema.String,
  state: Schema.Literals(["ok", "warning", "problem", "skipped"]),
  found: Schema.String,
  /** What to do about it. */
  advice: Schema.NullOr(Schema.String),
  details: Schema.Array(Schema.String)
})
export interface Finding extends Schema.Schema.Type<typeof Finding> {}

export const ok = (check: string, found: string, details: ReadonlyArray<string> = []): Finding => ({
  check,
  state: "ok",
  found,
  advice: null,
  details
})

export const warning = (check: string, found: string, advice: string): Finding => ({
  check,
  state: "warning",
  found,
  advice,
  details: []
})

export const problem = (check: string, found: string, advice: string | null = null): Finding => ({
  check,
  state: "problem",
  found,
  advice,
  details: []
})

export const skipped = (check: string, why: string): Finding => ({
  check,
  state: "skipped",
  found: why,
  advice: null,
  details: []
})
