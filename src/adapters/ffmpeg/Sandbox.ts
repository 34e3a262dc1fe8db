/**
 * Where ffmpeg and ffprobe run: with limits, with an environment without secrets, and in a sandbox that holds nothing but
 * the files of one task. Which kind of sandbox works here is found out by trying, as encoders are.
 */
import { Context, Effect, Schema } from "effect"
import { mkdtemp, realpath, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { findOnPath } from "../process/programs.ts"
import type { StartOptions } from "../process/launch.ts"
import { Subprocess } from "../process/Subprocess.ts"
import { bubblewrap } from "./sandbox/bubblewrap.ts"
import { landlock } from "./sandbox/landlock.ts"
import { encodeMemory, limits, probeMemory } from "./sandbox/limits.ts"
import { look, type System } from "./sandbox/System.ts"
import type { Access, Tool } from "./sandbox/Tool.ts"

export interface SandboxReport {
  readonly sandbox: Tool["kind"] | "none"
  /** Why it is not a better one; null for the best. */
  readonly reason: string | null
}

/** What a run of ffmpeg or ffprobe needs. Files and folders are absolute paths. */
export interface Needs extends Partial<Access> {
  readonly env?: Readonly<Record<string, string>>
  /** `probe`: only looks, and needs little memory for it. */
  readonly purpose: "probe" | "encode"
}

type Around = Pick<StartOptions, "behind" | "env" | "bareEnvironment">

export interface Confined {
  readonly report: SandboxReport
  /** How Subprocess is to start such a run. */
  around(needs: Needs): Around
}

/** Without one that was opened, nothing is confined. */
export const Sandbox = Context.Reference<Confined>("vlog/adapters/ffmpeg/Sandbox", {
  defaultValue: () => ({
    report: { sandbox: "none", reason: "none was asked for" },
    around: ({ env = {} }) => ({ env })
  })
})

export class SandboxUnavailable extends Schema.TaggedError<SandboxUnavailable>()("SandboxUnavailable", {
  reason: Schema.String
}) {
  override get message() {
    return `VLOG_FFMPEG_SANDBOX is "require", but no sandbox works here: ${this.reason}. Install bubblewrap and allow user namespaces, or set it to "auto" to go on without`
  }
}

/**
 * What ffmpeg, its loader and the drivers of encoders read. Nothing else gets there: a worker's environment holds its key.
 * Nor does the one arena in which the image has Node.js allocate: ffmpeg's threads would wait for each other.
 */
const harmless =
  /^(PATH|HOME|LANG|LC_\w+|TZ|TMPDIR|LD_\w+|GLIBC_\w+|MALLOC_(?!ARENA_MAX$)\w+|(NVIDIA|CUDA|LIBVA|VDPAU|ONEVPL|MFX|INTEL|DRI|MESA|VK|SVT|AV)_\w+)$/

const environment = () =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value !== undefined && harmless.test(name) ? [[name, value] as const] : []
    )
  )

const programs = ["ffmpeg", "ffprobe"]

/** Reads what it may, writes where it may, cannot read what it may not, and runs ffmpeg. */
const trialScript = `cat "$1" >/dev/null && : > "$2/made" && ffmpeg -hide_banner -version >/dev/null || exit 1
if cat "$3" >/dev/null 2>&1; then echo "it lets a program read a file that was not given to it" >&2; exit 1; fi`

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(async () => realpath(await mkdtemp(join(tmpdir(), "vlog-sandbox-")))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

const patience = "20 seconds"

interface Working {
  readonly tool: Tool
  readonly program: string
}

/** The tool's place, or why it does not work here. */
const tryOut = Effect.fn("Sandbox.tryOut")(
  function* (tool: Tool, system: System) {
    const subprocess = yield* Subprocess
    const program = yield* Effect.promise(() => findOnPath(tool.program))
    if (program === undefined) return `${tool.kind}: ${tool.program} is not installed`
    const folder = yield* temporaryFolder
    const inner = yield* temporaryFolder
    const [given, secret] = [join(folder, "given"), join(folder, "secret")]
    yield* Effect.promise(() => Promise.all([writeFile(given, "given"), writeFile(secret, "secret")]))
    const behind = tool.command(program, system, { reads: [given], writes: [inner], devices: false })
    return yield* subprocess.run("/bin/sh", ["-c", trialScript, "sh", given, inner, secret], { behind }).pipe(
      Effect.as<Working | string>({ tool, program }),
      Effect.catch((error) => {
        const said = error._tag === "ProcessFailed" ? error.stderrTail : error.message
        return Effect.succeed(`${tool.kind}: ${said.split("\n").at(-1) || "it does not start ffmpeg"}`)
      })
    )
  },
  Effect.scoped,
  (effect, tool) =>
    Effect.timeoutOrElse(effect, {
      duration: patience,
      orElse: () => Effect.succeed(`${tool.kind}: no answer within ${patience}`)
    })
)

const firstWorking = Effect.fnUntraced(function* (system: System) {
  const reasons: Array<string> = []
  for (const tool of [bubblewrap, landlock]) {
    const tried = yield* tryOut(tool, system)
    if (typeof tried !== "string") return { working: tried, reasons }
    reasons.push(tried)
  }
  return { working: null, reasons }
})

export interface SandboxOptions {
  /** `require` fails where none works. */
  readonly mode: "auto" | "require" | "off"
  /** Bytes that an encode may use; what the machine allows unless said otherwise. */
  readonly memory?: number | null
}

/** Finds out what works here, at once and for good. */
export const open = Effect.fn("Sandbox.open")(function* (
  options: SandboxOptions
): Effect.fn.Return<Confined, SandboxUnavailable, Subprocess> {
  const system = yield* Effect.promise(() => look(programs))
  const prlimit = yield* Effect.promise(() => findOnPath("prlimit"))
  const { reasons, working } =
    options.mode === "off" ? { working: null, reasons: ["VLOG_FFMPEG_SANDBOX is off"] } : yield* firstWorking(system)
  if (options.mode === "require" && working === null) {
    return yield* new SandboxUnavailable({ reason: reasons.join("; ") })
  }
  const encode = options.memory ?? encodeMemory()
  return {
    report: { sandbox: working?.tool.kind ?? "none", reason: reasons.length === 0 ? null : reasons.join("; ") },
    around: ({ devices = false, env, purpose, reads = [], writes = [] }) => ({
      behind: [
        ...(prlimit === undefined
          ? []
          : limits(prlimit, devices ? null : purpose === "probe" ? Math.min(probeMemory, encode) : encode)),
        ...(working === null ? [] : working.tool.command(working.program, system, { reads, writes, devices }))
      ],
      env: { ...environment(), ...env },
      bareEnvironment: true
    })
  }
})
