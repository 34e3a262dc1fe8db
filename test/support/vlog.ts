/** The command line as an operator starts it: a process of its own, in a folder of its own, with no setting of ours. */
import { mkdtempSync } from "node:fs"
import { rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect } from "effect"
import { execa } from "execa"
import { afterAll, beforeAll } from "vitest"
import { repository } from "./programs.ts"

const emptyFolder = mkdtempSync(join(tmpdir(), "vlog-command-"))
const bundles = join(emptyFolder, "dist")

/** As the images have it: from its sources it takes ten times as long to start, and these tests start it often. */
beforeAll(() => execa(process.execPath, [join(repository, "scripts/bundle.mjs"), bundles, "vlog"]))

afterAll(() => rm(emptyFolder, { recursive: true, force: true }))

interface VlogOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** A file in the place of what is handed back. */
  readonly stdout?: string
}

export const startVlog = (args: ReadonlyArray<string>, options: VlogOptions = {}) => {
  const line = [process.execPath, join(bundles, "vlog.js"), ...args]
  const [program, ...rest] =
    options.stdout === undefined ? line : ["/bin/sh", "-c", `exec "$@" > ${options.stdout}`, "sh", ...line]
  return execa(program!, rest, {
    cwd: options.cwd ?? emptyFolder,
    extendEnv: false,
    env: { PATH: process.env["PATH"] ?? "", ...options.env },
    stdin: "ignore",
    reject: false
  })
}

export const vlog = (args: ReadonlyArray<string>, options: VlogOptions = {}) =>
  Effect.promise(async () => {
    const { exitCode, stderr, stdout } = await startVlog(args, options)
    return { exitCode, stderr, stdout }
  })
