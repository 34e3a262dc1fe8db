/** `node test/k8s/checklist.ts` prints every requirement and whether it holds; 1 where one does not. */
import { results } from "./support/checklist.ts"

const all = results()
const width = (key: "number" | "requirement") => Math.max(...all.map((line) => line[key].length))
for (const { number, outcome, requirement } of all) {
  console.log(`${number.padEnd(width("number"))}  ${requirement.padEnd(width("requirement"))}  ${outcome}`)
}
const count = (start: string) => all.filter(({ outcome }) => outcome.startsWith(start)).length
console.log(`\n${count("pass")} pass, ${count("not here")} cannot be seen here, ${count("FAIL")} fail`)
process.exitCode = count("FAIL") === 0 ? 0 : 1
