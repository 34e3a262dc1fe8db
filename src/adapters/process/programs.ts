/** Where a program lies, and why it cannot be started. */
import { constants } from "node:fs"
import { access, stat } from "node:fs/promises"
import { delimiter, isAbsolute, join, resolve } from "node:path"
import { execa } from "execa"
import { codeOf, messageOf } from "./causes.ts"
import type { StartOptions } from "./launch.ts"

/** The first executable file of this name in the folders of `path`, as a shell would find it. */
export async function findOnPath(program: string, path = process.env["PATH"] ?? ""): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    if (folder === "") continue
    const candidate = join(folder, program)
    const found = await access(candidate, constants.X_OK).then(
      () => stat(candidate),
      () => undefined
    )
    if (found?.isFile() === true) return candidate
  }
  return undefined
}

/** Where the program lies. Asked beforehand, because behind setpriv a missing one would look like one that failed. */
export async function findProgram(file: string, options: StartOptions): Promise<string> {
  if (file.includes("/")) {
    const path = isAbsolute(file) ? file : resolve(options.cwd ?? ".", file)
    await access(path, constants.X_OK)
    return path
  }
  const found = await findOnPath(file, options.env?.["PATH"])
  if (found !== undefined) return found
  throw Object.assign(new Error("not found on PATH"), { code: "ENOENT", onPath: true })
}

/** The path of a setpriv that knows `--pdeathsig` (that of busybox does not), where there is one. */
export async function findSetpriv(): Promise<string | undefined> {
  if (process.platform !== "linux") return undefined
  try {
    const setpriv = await findProgram("setpriv", {})
    const probe = await execa(setpriv, ["--pdeathsig", "KILL", "--", setpriv, "--version"], {
      stdio: "ignore",
      reject: false
    })
    return probe.failed ? undefined : setpriv
  } catch {
    return undefined
  }
}

export function spawnProblem(cause: unknown): string {
  const code = codeOf(cause)
  if (code === "ENOENT" && cause instanceof Error && "onPath" in cause) {
    return "it was not found on PATH; install it, or put the folder that holds it on PATH"
  }
  if (code === "ENOENT") return "there is no such file, or no such working directory"
  if (code === "EACCES") return "this user may not execute it"
  return messageOf(cause)
}
