/**
 * Runs external programs. One acquisition is one child in a process group of its own: leaving the scope (success,
 * failure, interruption) stops the whole group and does not return before the child is reaped.
 */
import { Context, Effect, Layer, Schema, type Scope, Stream } from "effect"
import { type ExitStatus, launch, type StartOptions } from "./launch.ts"
import { bytesOf, linesOf, writeTo } from "./pipes.ts"
import { findProgram, findSetpriv, spawnProblem } from "./programs.ts"
import { commandText } from "./text.ts"

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
