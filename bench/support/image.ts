/** How the image starts Node.js. */
import { readFile } from "node:fs/promises"

const dockerfile = await readFile(new URL("../../Dockerfile.worker", import.meta.url), "utf8")

/** `ENTRYPOINT ["node", "--flag", "/app/run.js"]`: what lies between the first and the last. */
const entrypoint = /^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)?.[1] ?? "[]"

export const imageFlags = (JSON.parse(entrypoint) as ReadonlyArray<string>).slice(1, -1)

const [arenas = ""] = /\bMALLOC_ARENA_MAX=\d+/.exec(dockerfile) ?? []

/** What of the image's environment decides how much memory is used. */
export const imageEnvironment = Object.fromEntries(arenas === "" ? [] : [arenas.split("=") as [string, string]])
