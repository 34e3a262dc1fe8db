/** A failure that a program may end with: told in its own words, and by its tag in an exit code. */
export interface Expected {
  readonly _tag: string
  readonly message: string
}
