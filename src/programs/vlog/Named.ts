/** What stands in a path of the API for the thing that is meant: none of what leads to another path. */
import { Schema } from "effect"

export const Named = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^(?!\.{0,2}$)/, { expected: "a name as the list command shows it" }))
)
