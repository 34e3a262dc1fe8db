/** A program that keeps another one in a sandbox. */
import type { System } from "./System.ts"

/** What one run may touch. `reads` are files, `writes` folders. */
export interface Access {
  readonly reads: ReadonlyArray<string>
  readonly writes: ReadonlyArray<string>
  /** It uses an encoder's device. */
  readonly devices: boolean
}

export interface Tool {
  readonly kind: "bubblewrap" | "landlock"
  readonly program: string
  /** The words that a command is put behind. `program` is where the tool lies. */
  command(program: string, system: System, access: Access): ReadonlyArray<string>
}
