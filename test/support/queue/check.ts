/** Whether a sequence of commands does to the store what it does to the model, and leaves nothing that must not be. */
import { Arbitrary, Effect, Fiber } from "effect"
import { isDeepStrictEqual } from "node:util"
import { type Command, commands, type Single } from "./Command.ts"
import { type Answer, apply, jobState, type Model, start } from "./model.ts"
import { expected, InBetween, Queue, workers } from "./store.ts"

type Told = readonly [command: Single, answer: Answer]

/** What the model makes of commands in this order, or null where it would have answered otherwise. */
const inOrder = (model: Model, told: ReadonlyArray<Told>): Model | null => {
  let after = model
  for (const [command, answer] of told) {
    const [next, wanted] = apply(after, command, answer, model)
    if (!isDeepStrictEqual(wanted, answer)) return null
    after = next
  }
  return after
}

const both = Effect.fnUntraced(function* (first: Single, second: Single, model: Model) {
  const queue = yield* Queue
  const other = yield* Effect.forkChild(queue.run(second, model, 1))
  const answer = yield* queue
    .run(first, model, 0)
    .pipe(Effect.provideService(InBetween, Effect.asVoid(Fiber.await(other))))
  return [
    [first, answer],
    [second, yield* Fiber.join(other)]
  ] as const
})

const text = (value: unknown) => JSON.stringify(value)

const step = Effect.fnUntraced(function* (model: Model, command: Command) {
  const queue = yield* Queue
  const told: ReadonlyArray<Told> =
    command._tag === "Together"
      ? yield* both(command.first, command.second, model)
      : [[command, yield* queue.run(command, model, 0)]]
  const { breaches, dump } = yield* queue.dump
  const described = told.map(([command, answer]) => `${text(command)} was answered ${text(answer)}`).join(", and ")
  if (breaches.length > 0) return yield* Effect.fail(`${described}, and left ${text(breaches)}`)
  const ways = [told, told.toReversed()].map((order) => inOrder(model, order))
  if (ways.every((way) => way === null)) return yield* Effect.fail(`${described}; the model answers otherwise`)
  const wanted = ways.filter((way) => way !== null).map((after) => ({ after, dump: wantedDump(after) }))
  const found = wanted.find((way) => isDeepStrictEqual(way.dump, dump))
  if (found === undefined) {
    return yield* Effect.fail(`${described}, and left ${text(dump)}, not ${text(wanted[0]?.dump)}`)
  }
  return found.after
})

const wantedDump = (model: Model) => expected(model, (job) => jobState(model, job))

const follow = Effect.fnUntraced(
  function* (sequence: ReadonlyArray<Command>) {
    const queue = yield* Queue
    yield* queue.reset
    let model = start(workers)
    for (const command of sequence) model = yield* step(model, command)
    return true
  },
  // A statement that the database refuses is a wrong one as well.
  Effect.catchDefect((defect) => Effect.fail(String(defect)))
)

/** Short sequences first, and in case of failure the shortest that fails too. */
export const check = (runs: number) => Arbitrary.checkEffect(commands(1), follow, { runs, size: 40 })

/** How many long sequences it takes to see that something is wrong; null where nobody sees it. By its seed, so the same in each run. */
export const found = Effect.fnUntraced(function* (runs: number, seed: string) {
  const result = yield* Arbitrary.checkEffect(commands(30), follow, { runs, size: 40, maxShrinks: 0, seed })
  return result._tag === "Falsified" ? result.runs : null
})
