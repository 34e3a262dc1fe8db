import { readFile } from "node:fs/promises"
import { assert, it } from "vitest"

interface Entry {
  readonly version?: string
  readonly resolved?: string
  readonly dependencies?: Record<string, string>
  readonly optionalDependencies?: Record<string, string>
}

const text = await readFile(new URL("../../package-lock.json", import.meta.url), "utf8")
const entries = (JSON.parse(text) as { packages: Record<string, Entry> }).packages

/** As Node.js looks for a package: beside its dependent, then ever further up. */
const isLocked = (dependent: string, name: string): boolean => {
  if (`${dependent === "" ? "" : `${dependent}/`}node_modules/${name}` in entries) return true
  return dependent !== "" && isLocked(dependent.slice(0, Math.max(0, dependent.lastIndexOf("/node_modules/"))), name)
}

// A registry that lacks the builds for other platforms makes `npm install` drop them without a word, and then `npm ci`
// fails everywhere.
it("the lockfile has every dependency, those for other platforms as well", () => {
  const missing = Object.entries(entries).flatMap(([dependent, entry]) =>
    Object.keys({ ...entry.dependencies, ...entry.optionalDependencies }).filter((name) => !isLocked(dependent, name))
  )
  assert.deepStrictEqual(missing, [])
})

it("the lockfile names no download host", () => {
  assert.deepStrictEqual(
    Object.values(entries).flatMap(({ resolved }) => resolved ?? []),
    []
  )
})
