/** The database could not be asked, or not in time. Nothing was decided; asking again is right. */
import { Schema } from "effect"

export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  cause: Schema.Defect()
}) {
  override get message() {
    return `The database does not answer: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}
