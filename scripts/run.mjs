// What a container starts: `run.js worker`, `run.js backup list`, ... It lies beside the bundles.
import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"

const [node, self, name = "", ...rest] = process.argv
const programs = readdirSync(new URL(".", import.meta.url))
  .filter((file) => file.endsWith(".js") && fileURLToPath(new URL(file, import.meta.url)) !== self)
  .map((file) => file.slice(0, -".js".length))
  .toSorted()

if (programs.includes(name)) {
  const file = new URL(`./${name}.js`, import.meta.url)
  // As if it had been started by itself.
  process.argv = [node, fileURLToPath(file), ...rest]
  await import(file.href)
} else {
  console.error(
    `error: ${name === "" ? "no program was named" : `there is no program ${name}`}: ${programs.join(", ")}`
  )
  process.exitCode = 64
}
