/** How the image starts Node.js. */
import { readFile } from "node:fs/promises"

const dockerfile = await readFile(new URL("../../Dockerfile.worker", import.meta.url), "utf8")

/** `ENTRYPOINT ["node", "--flag", "/app/run.js"]`: what lies between the first and the last. */
const entrypoint = /^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)?.[1] ?? "[]"

export const imageFlags = (JSON.parse(entrypoint) as ReadonlyArray<string>).slice(1, -1)
