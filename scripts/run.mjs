// What a container starts: `run.js worker`, `run.js backup list`, ... It lies beside the bundles.
import { readdirSync } from "node:fs"
import { enableCompileCache } from "node:module"
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
  // Filled when an image is made. Reading all of a bundle takes a third of the time to the first heartbeat, and leaves
  // 20 MB of memory behind that are never asked for again. Where the cache is missing or another Node.js made it, that is all.
  enableCompileCache(fileURLToPath(new URL("./cache", import.meta.url)))
  await import(file.href)
} else {
  console.error(
    `error: ${name === "" ? "no program was named" : `there is no program ${name}`}: ${programs.join(", ")}`
  )
  process.exitCode = 64
}
