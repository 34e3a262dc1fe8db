/** What ffmpeg needs of the machine to run at all: programs, libraries, devices. */
import { lstat, readdir, readlink, realpath, stat } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { findOnPath } from "../../process/programs.ts"

export interface Entry {
  readonly path: string
  readonly isFolder: boolean
}

export interface System {
  readonly readable: ReadonlyArray<Entry>
  /** Symbolic links at the root, with where they lead: `/lib` to `usr/lib`. */
  readonly links: ReadonlyArray<readonly [link: string, target: string]>
  /** What an encoder's device needs beside those: its files, and what the system says about it. */
  readonly devices: ReadonlyArray<Entry>
  readonly deviceFacts: ReadonlyArray<Entry>
}

const roots = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]

/** How the loader finds libraries, and what drivers are registered with. */
const configuration = [
  "/etc/ld.so.cache",
  "/etc/ld.so.conf",
  "/etc/ld.so.conf.d",
  "/etc/alternatives",
  "/etc/localtime",
  "/etc/OpenCL",
  "/etc/vulkan",
  "/etc/glvnd",
  "/etc/nvidia"
]

const entry = (path: string): Promise<ReadonlyArray<Entry>> =>
  stat(path).then(
    (found) => [{ path, isFolder: found.isDirectory() }],
    () => []
  )

/** Those that are there. */
const entries = async (paths: ReadonlyArray<string>) => (await Promise.all(paths.map(entry))).flat()

const isBelow = (folder: string) => (path: string) => path === folder || path.startsWith(`${folder}/`)

/** Programs that lie elsewhere bring their libraries along: `/opt/ffmpeg/bin` beside `/opt/ffmpeg/lib`. */
const homeOf = async (program: string): Promise<ReadonlyArray<string>> => {
  const folder = dirname(program)
  const above = dirname(folder)
  const hasLibraries = basename(folder) === "bin" && above !== "/" && (await entry(join(above, "lib"))).length > 0
  return [hasLibraries ? above : folder]
}

const programFolders = async (programs: ReadonlyArray<string>) => {
  const found = (await Promise.all(programs.map((program) => findOnPath(program)))).filter((path) => path !== undefined)
  const homes = await Promise.all(
    found.map(async (path) => [...(await homeOf(path)), ...(await homeOf(await realpath(path)))])
  )
  return homes.flat()
}

const deviceFiles = async () => {
  const names = await readdir("/dev").catch(() => [])
  return entries(["/dev/dri", ...names.filter((name) => name.startsWith("nvidia")).map((name) => `/dev/${name}`)])
}

export const look = async (programs: ReadonlyArray<string>): Promise<System> => {
  const links: Array<readonly [string, string]> = []
  const folders: Array<string> = []
  for (const root of roots) {
    const found = await lstat(root).catch(() => undefined)
    if (found?.isSymbolicLink() === true) links.push([root, await readlink(root)])
    else if (found !== undefined) folders.push(root)
  }
  const libraries = (process.env["LD_LIBRARY_PATH"] ?? "").split(":").filter((path) => path.startsWith("/"))
  const elsewhere = [...(await programFolders(programs)), ...libraries].filter(
    (path) => !["/usr", ...roots].some((root) => isBelow(root)(path))
  )
  return {
    readable: await entries(["/usr", ...folders, ...configuration, ...new Set(elsewhere)]),
    links,
    devices: await deviceFiles(),
    deviceFacts: await entries(["/sys"])
  }
}
