/** The devices of this machine, as the system lists them. What they can do is found out by trying, not from their names. */
import { Effect, Stream } from "effect"
import { constants } from "node:fs"
import { access, readdir, readFile, readlink } from "node:fs/promises"
import { basename, join } from "node:path"
import type { Vendor } from "../../domain/media/Encoder.ts"
import { Subprocess } from "../process/Subprocess.ts"

export interface Gpu {
  readonly index: number
  readonly name: string
  readonly driver: string
}

export interface RenderNode {
  readonly device: string
  readonly vendor?: Vendor
  /** The kernel's: `i915`, `xe`, `amdgpu`. */
  readonly driver: string
  /** Why it cannot be opened. */
  readonly problem?: string
}

export interface Machine {
  /** GPUs of NVIDIA, and why there are none. */
  readonly gpus: ReadonlyArray<Gpu>
  readonly withoutGpus: string
  readonly renderNodes: ReadonlyArray<RenderNode>
  readonly withoutRenderNodes: string
}

/** PCI vendor numbers, as sysfs writes them. */
const vendors: Readonly<Record<string, Vendor>> = { "0x10de": "nvidia", "0x8086": "intel", "0x1002": "amd" }

const listing = ["--query-gpu=index,name,driver_version", "--format=csv,noheader"]

/** `0, NVIDIA L4, 550.54.15`, a line for each. */
const gpuOf = (line: string): Gpu | null => {
  const [index = "", name = "", driver = ""] = line.split(",").map((field) => field.trim())
  return /^\d+$/.test(index) ? { index: Number(index), name, driver } : null
}

/** Containers may have the device files without the program, where the runtime was not asked for "utility". */
const deviceFiles = (root: string) =>
  readdir(join(root, "dev")).then(
    (names) =>
      names.flatMap((name): ReadonlyArray<Gpu> => {
        const index = /^nvidia(\d+)$/.exec(name)?.[1]
        return index === undefined ? [] : [{ index: Number(index), name: "unknown", driver: "unknown" }]
      }),
    () => []
  )

const findGpus = Effect.fnUntraced(function* (root: string) {
  const subprocess = yield* Subprocess
  // Its complaints go to stdout.
  const asked = yield* Effect.gen(function* () {
    const child = yield* subprocess.start("nvidia-smi", listing)
    const lines = yield* Stream.runCollect(child.lines)
    return { lines, code: (yield* child.exitStatus).code }
  }).pipe(Effect.scoped, Effect.timeoutOption("30 seconds"), Effect.option)
  if (asked._tag === "None") {
    const gpus = yield* Effect.promise(() => deviceFiles(root))
    return { gpus, withoutGpus: "no GPU of NVIDIA: there is no nvidia-smi and no /dev/nvidia0" }
  }
  if (asked.value._tag === "None") return { gpus: [], withoutGpus: "nvidia-smi does not answer" }
  const { code, lines } = asked.value.value
  const said = lines.find((line) => line.trim() !== "") ?? "nothing"
  return code === 0
    ? { gpus: lines.map(gpuOf).filter((gpu) => gpu !== null), withoutGpus: "nvidia-smi lists no GPU" }
    : { gpus: [], withoutGpus: `nvidia-smi fails: ${said.trim()}` }
})

const readNode = async (root: string, name: string): Promise<RenderNode> => {
  const device = join(root, "dev/dri", name)
  const system = join(root, "sys/class/drm", name, "device")
  const vendor = vendors[(await readFile(join(system, "vendor"), "utf8").catch(() => "")).trim()]
  const driver = await readlink(join(system, "driver")).then(basename, () => "unknown")
  const mayOpen = await access(device, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false
  )
  return {
    device,
    driver,
    ...(vendor === undefined ? {} : { vendor }),
    ...(mayOpen
      ? {}
      : { problem: `this user may not open ${device}: add it to the group that owns it (render, or video)` })
  }
}

const findRenderNodes = async (root: string): Promise<ReadonlyArray<RenderNode>> => {
  const names = await readdir(join(root, "dev/dri")).catch(() => [])
  const nodes = names.filter((name) => /^renderD\d+$/.test(name)).toSorted()
  return Promise.all(nodes.map((name) => readNode(root, name)))
}

/** `root` is the folder that holds `dev` and `sys`. */
export const look = Effect.fn("Machine.look")(function* (root: string): Effect.fn.Return<Machine, never, Subprocess> {
  const [gpus, renderNodes] = yield* Effect.all([findGpus(root), Effect.promise(() => findRenderNodes(root))], {
    concurrency: 2
  })
  return { ...gpus, renderNodes, withoutRenderNodes: "no GPU of Intel or AMD in /dev/dri" }
})
