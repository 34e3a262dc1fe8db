/** Explicit-state model checking: every state that any order of steps can reach, breadth first. */
export interface Step<World> {
  /** What happened, and to whom in brackets. */
  readonly label: string
  readonly world: World
  /** What the step itself broke, whatever it led to. */
  readonly violation?: string | null
}

export interface Exploration {
  readonly states: number
  /** Everything that ever happened. */
  readonly seen: ReadonlySet<string>
  /** Each thing that must not be, with the shortest way to it. */
  readonly violations: ReadonlyMap<string, ReadonlyArray<string>>
}

/** Goes no further from a state that must not be; stops where all of `wanted` was found. */
export const explore = <World>(options: {
  readonly start: World
  readonly key: (world: World) => string
  readonly next: (world: World) => Iterable<Step<World>>
  readonly violation: (world: World, before: World) => string | null
  readonly limit: number
  readonly wanted: ReadonlyArray<string>
}): Exploration => {
  const cameFrom = new Map<string, readonly [from: string, label: string] | null>()
  const seen = new Set<string>()
  const violations = new Map<string, ReadonlyArray<string>>()
  const queue: Array<readonly [world: World, key: string]> = [[options.start, options.key(options.start)]]
  cameFrom.set(queue[0]![1], null)
  const isOver = () => options.wanted.length > 0 && options.wanted.every((problem) => violations.has(problem))
  for (let head = 0; head < queue.length && !isOver(); head++) {
    const [before, from] = queue[head]!
    for (const { label, violation, world } of options.next(before)) {
      seen.add(label.split(" (")[0]!)
      const problem = violation ?? options.violation(world, before)
      if (problem !== null) {
        if (violations.has(problem)) continue
        const trace = [label]
        for (let at = cameFrom.get(from); at; at = cameFrom.get(at[0])) trace.unshift(at[1])
        violations.set(problem, trace)
        continue
      }
      const to = world === before ? from : options.key(world)
      if (cameFrom.has(to)) continue
      if (cameFrom.size >= options.limit) throw new Error(`more than ${options.limit} states`)
      cameFrom.set(to, [from, label])
      queue.push([world, to])
    }
  }
  return { states: cameFrom.size, seen, violations }
}
