import { assert, it } from "vitest"
import { results } from "./support/checklist.ts"

it.each(results().map((line) => [line.number, line.requirement, line.outcome] as const))("%s %s", (_, __, outcome) => {
  assert.notMatch(outcome, /^FAIL/)
})
