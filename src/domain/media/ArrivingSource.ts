/** A source on its way to this machine: a file that grows, of which the first part can be worked on already. */
import type { Effect } from "effect"
import type { Sha256 } from "../ids.ts"

export interface ArrivingSource {
  readonly path: string
  /** What it will have when all of it is here. */
  readonly bytes: number
  readonly sha256: Sha256
  /** Waits until more than the first `position` bytes are here, and says how many are. */
  beyond(position: number): Effect.Effect<number>
}
