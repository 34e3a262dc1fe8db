/** What may happen to the queue. Numbers name things that exist by then, counted round: the 7th of 3 attempts is the 1st. */
import { Arbitrary } from "effect"
import { int, oneOf } from "../../domain/support/arbitraries.ts"

/** Who writes: the worker of an attempt or the other one, naming that attempt's lease or none. */
export interface Writer {
  readonly attempt: number
  readonly asOther: boolean
  readonly named: boolean
}

export type Single =
  | { readonly _tag: "Upload"; readonly priority: number; readonly delay: number; readonly tasks: number }
  | { readonly _tag: "Again"; readonly video: number; readonly priority: number }
  | { readonly _tag: "Claim"; readonly worker: number; readonly job: number | null }
  | { readonly _tag: "Renew"; readonly by: Writer }
  | { readonly _tag: "Register"; readonly by: Writer; readonly file: number; readonly content: number }
  | { readonly _tag: "Complete"; readonly by: Writer; readonly publicationFails: boolean }
  | { readonly _tag: "Fail"; readonly by: Writer; readonly retry: boolean }
  | { readonly _tag: "Release"; readonly by: Writer }
  | { readonly _tag: "Cancel"; readonly job: number }
  | { readonly _tag: "Retry"; readonly job: number }
  | { readonly _tag: "Prioritise"; readonly job: number; readonly priority: number }
  | { readonly _tag: "Advance"; readonly seconds: number }
  | { readonly _tag: "Sweep" }

/** A worker's about its attempt. */
export type Writing = Extract<Single, { readonly by: Writer }>

/** An operator's about a job. */
export type Operating = Extract<Single, { readonly _tag: "Cancel" | "Retry" | "Prioritise" }>

/** `Together`: at the same time. */
export type Command = Single | { readonly _tag: "Together"; readonly first: Single; readonly second: Single }

const number = Arbitrary.schema(int(0, 11))
/** The newest attempts are the interesting ones, and old ones must be tried too. */
const writer: Arbitrary.Arbitrary<Writer> = Arbitrary.map(
  Arbitrary.all({ attempt: number, who: number }),
  ({ attempt, who }) => ({ attempt, asOther: who === 11, named: who < 9 })
)
const priority = Arbitrary.schema(int(0, 2))
const chance = (oneIn: number) => Arbitrary.map(Arbitrary.schema(int(1, oneIn)), (n) => n === oneIn)

const upload = Arbitrary.map(
  Arbitrary.all({ priority, delay: oneOf([0, 0, 0, 15]), tasks: oneOf([1, 1, 2]) }),
  (fields): Single => ({ _tag: "Upload", ...fields })
)
const again = Arbitrary.map(Arbitrary.all({ video: number, priority }), (fields): Single => ({
  _tag: "Again",
  ...fields
}))
const claim = Arbitrary.map(
  Arbitrary.all({ worker: Arbitrary.schema(int(0, 1)), job: oneOf([null, null, null, 0, 1]) }),
  (fields): Single => ({ _tag: "Claim", ...fields })
)
const renew = Arbitrary.map(writer, (by): Single => ({ _tag: "Renew", by }))
const register = Arbitrary.map(
  Arbitrary.all({ by: writer, file: Arbitrary.schema(int(0, 1)), content: Arbitrary.schema(int(0, 1)) }),
  (fields): Single => ({ _tag: "Register", ...fields })
)
const complete = Arbitrary.map(Arbitrary.all({ by: writer, publicationFails: chance(5) }), (fields): Single => ({
  _tag: "Complete",
  ...fields
}))
const fail = Arbitrary.map(
  Arbitrary.all({ by: writer, retry: Arbitrary.map(chance(4), (never) => !never) }),
  (fields): Single => ({ _tag: "Fail", ...fields })
)
const release = Arbitrary.map(writer, (by): Single => ({ _tag: "Release", by }))
/** A pause after a failure, most of a lease, a whole one, and an outage of the API. */
const advance = Arbitrary.map(oneOf([6, 20, 31, 31, 100]), (seconds): Single => ({ _tag: "Advance", seconds }))
const sweep = Arbitrary.map(oneOf([0]), (): Single => ({ _tag: "Sweep" }))

const cancel = Arbitrary.map(number, (job): Single => ({ _tag: "Cancel", job }))
const retry = Arbitrary.map(number, (job): Single => ({ _tag: "Retry", job }))
const prioritise = Arbitrary.map(Arbitrary.all({ job: number, priority }), (fields): Single => ({
  _tag: "Prioritise",
  ...fields
}))

/** Each as often as it stands here. */
const among = <A>(choices: ReadonlyArray<Arbitrary.Arbitrary<A>>) =>
  Arbitrary.flatMap(Arbitrary.schema(int(0, choices.length - 1)), (index) => choices[index]!)

const writes = [renew, register, register, register, complete, complete, fail, release]
const together = Arbitrary.map(
  among([
    Arbitrary.all({ first: claim, second: claim }),
    Arbitrary.all({ first: among(writes), second: among([claim, sweep, cancel, retry, ...writes]) })
  ]),
  (fields): Command => ({ _tag: "Together", ...fields })
)

const command = among<Command>([
  upload,
  upload,
  again,
  ...Array.from({ length: 5 }, () => claim),
  ...writes,
  ...Array.from({ length: 3 }, () => advance),
  sweep,
  sweep,
  cancel,
  retry,
  retry,
  prioritise,
  together,
  together
])

export const commands = (shortest: number) => Arbitrary.array(command, { minLength: shortest, maxLength: 40 })
