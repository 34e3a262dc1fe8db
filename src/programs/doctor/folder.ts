/** A folder on a disk: there, writable, with room. */
import { Effect } from "effect"
import { mkdir, open, rm, stat, statfs, link } from "node:fs/promises"
import { join } from "node:path"
import { codeOf } from "../../adapters/process/causes.ts"
import { bytesText } from "../output/quantities.ts"
import { type Finding, ok, problem, skipped, warning } from "./Finding.ts"

const reasonOf = (cause: unknown) => codeOf(cause) ?? String(cause)

/** Below the first nothing goes, below the second it soon will not. */
const least = 512 * 1024 ** 2
const scarce = 10 * 1024 ** 3

const spaceFinding = async (check: string, path: string): Promise<Finding> => {
  const { bavail, bsize } = await statfs(path)
  const free = bavail * bsize
  const found = `${bytesText(free)} are free`
  if (free < least) return problem(`${check} space`, found, `make room on the disk of ${path}`)
  if (free < scarce) return warning(`${check} space`, found, `a long video needs several times its own size in ${path}`)
  return ok(`${check} space`, found)
}

/** As durable writes are made: with a flush, and a new name. */
const writeFinding = async (check: string, path: string): Promise<Finding> => {
  const probe = join(path, `.vlog-doctor-${process.pid}`)
  try {
    const file = await open(probe, "wx")
    try {
      await file.writeFile("x")
      await file.sync()
    } finally {
      await file.close()
    }
    return ok(check, `${path} can be written`)
  } catch (cause) {
    return problem(
      check,
      `${path} cannot be written (${reasonOf(cause)})`,
      `give this user (${process.getuid?.() ?? "?"}) the right to write there, or mount it writable`
    )
  } finally {
    await rm(probe, { force: true })
  }
}

export const checkFolder = (check: string, path: string, variable: string) =>
  Effect.promise(async (): Promise<ReadonlyArray<Finding>> => {
    const found = await stat(path).catch((cause: unknown) => reasonOf(cause))
    if (typeof found === "string")
      return [problem(check, `${path} cannot be looked at (${found})`, `make it, mount it, or set ${variable} right`)]
    if (!found.isDirectory()) return [problem(check, `${path} is not a folder`, `set ${variable} to a folder`)]
    return [await writeFinding(check, path), await spaceFinding(check, path)]
  })

const places = ["tmp", "uploads", "attempts", "published"]

/** Files arrive by a new name within one file system. */
const sameFileSystem = async (root: string): Promise<Finding> => {
  const check = "storage file system"
  const devices = new Map<string, number>()
  for (const place of places) {
    const found = await stat(join(root, place)).catch(() => undefined)
    if (found !== undefined) devices.set(place, found.dev)
  }
  if (devices.size === 0) return skipped(check, `nothing was stored in ${root} yet`)
  const strangers = [...devices].filter(([, device]) => device !== devices.values().next().value)
  return strangers.length === 0
    ? ok(check, "its folders share one")
    : problem(
        check,
        `${strangers.map(([place]) => place).join(", ")} lies on another one than ${[...devices.keys()][0]}`,
        `mount one file system at ${root}, and none below it`
      )
}

/** Publishing gives segments a second name; where that cannot be had they are copied. */
const hardLinks = async (root: string): Promise<Finding> => {
  const check = "storage hard links"
  const folder = join(root, `.vlog-doctor-links-${process.pid}`)
  try {
    await mkdir(folder)
    await open(join(folder, "a"), "wx").then((file) => file.close())
    await link(join(folder, "a"), join(folder, "b"))
    return ok(check, "work")
  } catch (cause) {
    return warning(
      check,
      `do not work here (${reasonOf(cause)})`,
      "publishing copies every segment: plan for twice the space, or use a file system that has them"
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export const checkStorage = Effect.fnUntraced(function* (path: string) {
  const findings = yield* checkFolder("storage", path, "VLOG_STORAGE_PATH")
  if (findings[0]?.state !== "ok") return findings
  return [...findings, yield* Effect.promise(() => sameFileSystem(path)), yield* Effect.promise(() => hardLinks(path))]
})
