/** Why `npm start` cannot go on, and what to do. */
import { Schema } from "effect"

class StartError extends Schema.TaggedError<StartError>()("StartError", {
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.problems.join("\nerror: ")
  }
}

export const startError = (...problems: ReadonlyArray<string>) => new StartError({ problems })
