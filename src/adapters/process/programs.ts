/** Where a program lies. */
import { constants } from "node:fs"
import { access, stat } from "node:fs/promises"
import { delimiter, join } from "node:path"

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
