/** A child in a process group of its own, and how the group is ended. */
import { constants as os } from "node:os"
import { PassThrough, type Readable } from "node:stream"
import { Duration } from "effect"
import { execa } from "execa"
import { groupExists } from "./groups.ts"
import { makeTail } from "./text.ts"

export interface ExitStatus {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface StartOptions {
  readonly cwd?: string | undefined
  /** Added to the environment of this process, or the whole of it with `bareEnvironment`. */
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly bareEnvironment?: boolean | undefined
  /** `pipe` lets `write` talk to the child; it reads nothing otherwise. */
  readonly stdin?: "ignore" | "pipe" | undefined
  /** `lines` (the default) must be read: a child whose pipe is full waits for ever. */
  readonly stdout?: "lines" | "inherit" | "ignore" | undefined
  /** `tail` (the default) keeps only the end; `lines` keeps the end as well, and must be read. */
  readonly stderr?: "tail" | "lines" | "inherit" | undefined
  readonly stderrTailBytes?: number | undefined
  /** Asks the child to end; SIGTERM unless said otherwise. */
  readonly stopSignal?: NodeJS.Signals | undefined
  /** How long the group may take to end before it is killed. */
  readonly grace?: Duration.Input | undefined
  /** Runs the child as somebody else; only root may. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
  /**
   * What the kernel sends to the child when this process is gone, however it went: SIGKILL unless said otherwise,
   * `false` for a child that is to live on. Linux with setpriv of util-linux only; elsewhere such a child stays.
   */
  readonly diesWithParent?: NodeJS.Signals | false | undefined
  /** Words of a command that this one is put behind, such as a sandbox. It must end as its command does, as shells do. */
  readonly behind?: ReadonlyArray<string> | undefined
}

export function launch(
  program: string,
  args: ReadonlyArray<string>,
  options: StartOptions,
  setpriv: string | undefined
) {
  const stderr = options.stderr ?? "tail"
  const words: ReadonlyArray<string> = [
    ...(setpriv === undefined ? [] : [setpriv, ...setprivArgs(options), "--"]),
    ...(options.behind ?? []),
    program,
    ...args
  ]
  const child = execa(words[0]!, words.slice(1), {
    cwd: options.cwd ?? process.cwd(),
    env: { ...options.env },
    extendEnv: options.bareEnvironment !== true,
    ...(setpriv === undefined && options.user !== undefined ? options.user : {}),
    stdin: options.stdin ?? "ignore",
    stdout: options.stdout === undefined || options.stdout === "lines" ? "pipe" : options.stdout,
    stderr: stderr === "inherit" ? "inherit" : "pipe",
    buffer: false,
    reject: false,
    killDescendants: true,
    killSignal: options.stopSignal ?? "SIGTERM",
    forceKillAfterDelay: false,
    // On an ordinary exit of this process; `setpriv` covers the others.
    cleanup: options.diesWithParent !== false
  })
  const node = child.nodeChildProcess
  // A child that ends early breaks the pipe: its exit says more than that.
  child.stdin?.on("error", () => {})
  // When a child has ended, Node lets the output flow away that nobody reads yet, unless somebody waits to read it.
  child.stdout?.on("readable", () => {})

  const tail = makeTail(options.stderrTailBytes ?? 64 * 1024)
  child.stderr?.on("data", tail.push)
  const errorLines = stderr === "lines" ? child.stderr?.pipe(new PassThrough()) : undefined

  let status: ExitStatus | undefined
  // Remembered at the moment of the exit: later the number may name a group of somebody else.
  let othersRemain = false
  const exited = new Promise<ExitStatus>((done) => {
    node.once("exit", (code, signal) => {
      status = options.behind === undefined ? { code, signal } : endingInside(code, signal)
      othersRemain = groupExists(node.pid)
      done(status)
    })
  })
  const settled = exited.then(async (status) => {
    await ended(child.stderr)
    return status
  })

  const signalGroup = (signal: NodeJS.Signals) => {
    if (node.pid === undefined || (status !== undefined && !othersRemain)) return
    try {
      process.kill(-node.pid, signal)
    } catch {
      // It ended in the meantime.
    }
  }

  const stop = async () => {
    if (node.pid === undefined) return
    signalGroup(options.stopSignal ?? "SIGTERM")
    const grace = Duration.toMillis(Duration.fromInputUnsafe(options.grace ?? "5 seconds"))
    const deadline = performance.now() + grace
    await within(grace, exited)
    // A shell may die before what it started; these get the rest of the grace.
    while (othersRemain && performance.now() < deadline) {
      await new Promise((done) => setTimeout(done, 25))
      othersRemain = groupExists(node.pid)
    }
    signalGroup("SIGKILL")
    await exited
    // Not awaited to their end: whoever left the group may hold the other side open for ever.
    child.stdin?.destroy()
    child.stdout?.destroy()
    child.stderr?.destroy()
  }

  return {
    pid: node.pid,
    stdin: child.stdin ?? undefined,
    stdout: child.stdout ?? undefined,
    errorLines,
    tail,
    settled,
    signalGroup,
    stop,
    spawnError: () => child.then((result) => result.cause ?? result)
  }
}

/** A command that runs another one tells of a signal by an exit code of 128 and the signal's number, as shells do. */
function endingInside(code: number | null, signal: NodeJS.Signals | null): ExitStatus {
  const number = (code ?? 0) - 128
  const [name] = Object.entries(os.signals).find(([, value]) => value === number) ?? []
  return name === undefined || number > 31 ? { code, signal } : { code: null, signal: name as NodeJS.Signals }
}

function setprivArgs(options: StartOptions): ReadonlyArray<string> {
  const signal = options.diesWithParent === false ? undefined : (options.diesWithParent ?? "SIGKILL")
  const death = signal === undefined ? [] : ["--pdeathsig", signal.slice(3)]
  const user =
    options.user === undefined
      ? []
      : ["--reuid", `${options.user.uid}`, "--regid", `${options.user.gid}`, "--clear-groups"]
  return [...death, ...user]
}

/** Waits until what an ended child wrote has been read, though not for others that inherited the pipe. */
async function ended(readable: Readable | null): Promise<void> {
  if (readable === null || readable.closed) return
  await within(1_000, new Promise((done) => readable.once("close", done)))
}

async function within(millis: number, event: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([event, new Promise((done) => (timer = setTimeout(done, millis)))])
  clearTimeout(timer)
}
