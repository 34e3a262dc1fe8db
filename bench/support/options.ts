/** What a bench is told: `--name value`, or `--name one,another`. */
import { basename } from "node:path"
import { parseArgs } from "node:util"

type Value = string | number | ReadonlyArray<string> | ReadonlyArray<number>

const one = (name: string, text: string, like: string | number | undefined): string | number => {
  if (typeof like === "string") return text
  if (text.trim() !== "" && Number.isFinite(Number(text))) return Number(text)
  console.error(`--${name} is ${text}: expected a number`)
  return process.exit(1)
}

const parsed = (name: string, text: string, like: Value) =>
  typeof like === "object" ? text.split(",").map((each) => one(name, each, like[0])) : one(name, text, like)

const given = (defaults: Readonly<Record<string, Value>>) => {
  const names = [...Object.keys(defaults), "help"]
  try {
    return parseArgs({
      options: Object.fromEntries(names.map((name) => [name, { type: name === "help" ? "boolean" : "string" }]))
    }).values
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    return process.exit(1)
  }
}

/** Each with what it is when nothing is said; `--help` names them all. */
export const options = <D extends Readonly<Record<string, Value>>>(defaults: D): D => {
  const values = given(defaults)
  if (values["help"] === true) {
    const flags = Object.entries(defaults).map(([name, value]) => `[--${name} ${String(value) || "..."}]`)
    console.log(["node", `bench/${basename(process.argv[1] ?? "")}`, ...flags].join(" "))
    process.exit()
  }
  const entries = Object.entries(defaults).map(([name, like]) => {
    const text = values[name]
    return [name, typeof text === "string" ? parsed(name, text, like) : like]
  })
  return Object.fromEntries(entries) as D
}
