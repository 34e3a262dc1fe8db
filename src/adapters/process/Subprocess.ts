/**
 * Runs external programs. One acquisition is one child in a process group of its own: leaving the scope (success,
 * failure, interruption) stops the whole group and does not return before the child is reaped.
 */
import { constants } from "node:fs"
import { access } from "node:fs/promises"
import { constants as os } from "node:os"
import { isAbsolute, resolve } from "node:path"
import { PassThrough, type Readable, type Writable } from "node:stream"
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Context, Duration, Effect, Layer, Schema, type Scope, Stream } from "effect"
import { execa } from "execa"
import { groupExists } from "./groups.ts"
import { findOnPath } from "./programs.ts"
import { commandText, makeTail } from "./text.ts"

export class SpawnFailed extends Schema.TaggedError<SpawnFailed>()("SpawnFailed", {
  program: Schema.String,
  problem: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return `could not start ${this.program}: ${this.problem}`
  }
}

export class ProcessFailed extends Schema.TaggedError<ProcessFailed>()("ProcessFailed", {
  command: Schema.String,
  exitCode: Schema.NullOr(Schema.Int),
  signal: Schema.NullOr(Schema.String),
  stderrTail: Schema.String,
  /** Why we ended it ourselves, when we did. */
  problem: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    const how =
      this.problem ?? (this.signal === null ? `ended with exit code ${this.exitCode}` : `was ended by ${this.signal}`)
    const lastWords = this.stderrTail.split("\n").at(-1) ?? ""
    return `${this.command} ${how}${lastWords === "" ? "" : `: ${lastWords}`}`
  }
}

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

export interface Handle {
  readonly pid: number
  /** Lines of stdout, read with back pressure. Ending the stream early closes the pipe. */
  readonly lines: Stream.Stream<string>
  /** The bytes of stdout instead. */
  readonly bytes: Stream.Stream<Uint8Array>
  /** Lines of stderr, the same way; empty unless `stderr` is `lines`. */
  readonly errorLines: Stream.Stream<string>
  /** Succeeds on exit code 0, fails with the end of stderr otherwise. */
  readonly exit: Effect.Effect<void, ProcessFailed>
  readonly exitStatus: Effect.Effect<ExitStatus>
  /** Writes to stdin, as fast as the child reads. What a child no longer reads is lost: its exit says why. */
  write(chunk: string | Uint8Array): Effect.Effect<void>
  /** Ends stdin. */
  readonly endInput: Effect.Effect<void>
  /** Signals the whole process group; nothing happens when it has ended. */
  kill(signal: NodeJS.Signals): Effect.Effect<void>
  /** What is kept of stderr so far. */
  readonly stderrTail: Effect.Effect<string>
}

export interface RunOptions extends Omit<StartOptions, "stdout" | "stderr"> {
  readonly stdoutLimitBytes?: number | undefined
}

export class Subprocess extends Context.Service<
  Subprocess,
  {
    /** Starts one child that lives as long as the scope at most. */
    start(
      file: string,
      args: ReadonlyArray<string>,
      options?: StartOptions
    ): Effect.Effect<Handle, SpawnFailed, Scope.Scope>
    /** Runs a child to its end and collects what it wrote; a failing exit code, or too much output, is an error. */
    run(
      file: string,
      args: ReadonlyArray<string>,
      options?: RunOptions
    ): Effect.Effect<{ readonly stdout: string; readonly stderrTail: string }, SpawnFailed | ProcessFailed>
  }
>()("vlog/adapters/process/Subprocess") {
  static readonly layer = Layer.effect(
    Subprocess,
    Effect.gen(function* () {
      const setpriv = yield* Effect.cached(Effect.promise(findSetpriv))

      const start = Effect.fn("Subprocess.start")(function* (
        file: string,
        args: ReadonlyArray<string>,
        options: StartOptions = {}
      ) {
        yield* Effect.annotateCurrentSpan("process.command", file)
        const program = yield* Effect.tryPromise({
          try: () => findProgram(file, options),
          catch: (cause) => new SpawnFailed({ program: file, problem: spawnProblem(cause), cause })
        })
        const wrapper = options.diesWithParent === false ? undefined : yield* setpriv
        const child = yield* Effect.acquireRelease(
          Effect.sync(() => launch(program, args, options, wrapper)),
          (child) => Effect.promise(child.stop)
        )
        if (child.pid === undefined) {
          const cause = yield* Effect.promise(child.spawnError)
          return yield* new SpawnFailed({ program: file, problem: spawnProblem(cause), cause })
        }

        const exitStatus = Effect.promise(() => child.settled)
        const handle: Handle = {
          pid: child.pid,
          lines: linesOf(child.stdout),
          bytes: bytesOf(child.stdout),
          errorLines: linesOf(child.errorLines),
          exitStatus,
          exit: Effect.flatMap(exitStatus, ({ code, signal }) =>
            code === 0
              ? Effect.void
              : Effect.fail(
                  new ProcessFailed({
                    command: commandText(file, args),
                    exitCode: code,
                    signal,
                    stderrTail: child.tail.read()
                  })
                )
          ),
          write: (chunk) => Effect.promise(() => writeTo(child.stdin, chunk)),
          endInput: Effect.sync(() => void child.stdin?.end()),
          kill: (signal) => Effect.sync(() => child.signalGroup(signal)),
          stderrTail: Effect.sync(() => child.tail.read())
        }
        return handle
      })

      const run = Effect.fn("Subprocess.run")(function* (
        file: string,
        args: ReadonlyArray<string>,
        options: RunOptions = {}
      ) {
        const limit = options.stdoutLimitBytes ?? 16 * 1024 * 1024
        const handle = yield* start(file, args, { ...options, stdout: "lines", stderr: "tail" })
        const chunks: Array<Uint8Array> = []
        let size = 0
        yield* handle.bytes.pipe(
          Stream.takeUntil((chunk) => {
            size += chunk.length
            chunks.push(chunk)
            return size > limit
          }),
          Stream.runDrain
        )
        if (size > limit) {
          return yield* new ProcessFailed({
            command: commandText(file, args),
            exitCode: null,
            signal: null,
            stderrTail: yield* handle.stderrTail,
            problem: `wrote more than ${limit} bytes`
          })
        }
        yield* handle.exit
        return { stdout: Buffer.concat(chunks).toString("utf8"), stderrTail: yield* handle.stderrTail }
      }, Effect.scoped)

      return Subprocess.of({ start, run })
    })
  )
}

function launch(program: string, args: ReadonlyArray<string>, options: StartOptions, setpriv: string | undefined) {
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

/** The path of a setpriv that knows `--pdeathsig` (that of busybox does not), where there is one. */
async function findSetpriv(): Promise<string | undefined> {
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

/** Where the program lies. Asked beforehand, because behind setpriv a missing one would look like one that failed. */
async function findProgram(file: string, options: StartOptions): Promise<string> {
  if (file.includes("/")) {
    const path = isAbsolute(file) ? file : resolve(options.cwd ?? ".", file)
    await access(path, constants.X_OK)
    return path
  }
  const found = await findOnPath(file, options.env?.["PATH"])
  if (found !== undefined) return found
  throw Object.assign(new Error("not found on PATH"), { code: "ENOENT", onPath: true })
}

function spawnProblem(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  if (code === "ENOENT" && cause instanceof Error && "onPath" in cause) {
    return "it was not found on PATH; install it, or put the folder that holds it on PATH"
  }
  if (code === "ENOENT") return "there is no such file, or no such working directory"
  if (code === "EACCES") return "this user may not execute it"
  return cause instanceof Error ? cause.message : String(cause)
}

/** Resolves when there is room for more, or when nobody will ever read it. */
async function writeTo(writable: Writable | undefined, chunk: string | Uint8Array): Promise<void> {
  if (writable === undefined || !writable.writable) return
  if (writable.write(chunk)) return
  await new Promise<void>((done) => {
    const settle = () => {
      writable.off("drain", settle).off("close", settle)
      done()
    }
    writable.once("drain", settle).once("close", settle)
  })
}

function bytesOf(readable: Readable | undefined): Stream.Stream<Uint8Array> {
  if (readable === undefined) return Stream.empty
  return NodeStream.fromReadable({ evaluate: () => readable }).pipe(
    // Only closing it from this side, on the way out, makes a pipe fail.
    Stream.catch(() => Stream.empty)
  )
}

function linesOf(readable: Readable | undefined): Stream.Stream<string> {
  return bytesOf(readable).pipe(Stream.decodeText, Stream.splitLines)
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
