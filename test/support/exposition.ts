/** What Prometheus' text format says, and what promtool says of it. */
import { execFileSync, spawnSync } from "node:child_process"

/** The names that lines of HELP and TYPE are about. */
export const metricNames = (exposition: string): ReadonlyArray<string> => [
  ...new Set([...exposition.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name!))
]

export const hasPromtool = (() => {
  try {
    execFileSync("promtool", ["--version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()

/** Debian's package `prometheus` has it. */
export const withoutPromtool = "promtool is not here: install Debian's package prometheus"

/** What promtool has to say, which is nothing where all is well. */
export const promtool = (args: ReadonlyArray<string>, input = ""): string => {
  const { output, status } = spawnSync("promtool", args, { input, encoding: "utf8" })
  return status === 0 ? "" : output.join("\n")
}
