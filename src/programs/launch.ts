/** How every program of this project lives and dies. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Config, Console, Effect, Exit, Layer, Logger, Option, References, Runtime } from "effect"
import { jsonOnStderr, jsonOnStdout } from "../adapters/telemetry/Logs.ts"
import type { Expected } from "./exit/Expected.ts"
import { readAll } from "./settings/readAll.ts"
import { telemetry } from "./telemetry.ts"

const levels = {
  all: "All",
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  fatal: "Fatal",
  none: "None"
} as const

const logLevel = Config.Literals(["all", "trace", "debug", "info", "warn", "error", "fatal", "none"], "LOG_LEVEL").pipe(
  Config.withDefault("info" as const)
)

/** A person at a terminal reads; a cluster's log collector parses. A command's own output has stdout for itself. */
const logging = (kind: ProgramKind) =>
  Layer.mergeAll(
    Logger.layer([
      kind === "command"
        ? process.stderr.isTTY
          ? Logger.withConsoleError(Logger.formatLogFmt)
          : jsonOnStderr
        : process.stdout.isTTY
          ? Logger.consolePretty()
          : jsonOnStdout
    ]),
    Layer.effect(
      References.MinimumLogLevel,
      Effect.map(readAll({ level: logLevel }), ({ level }) => levels[level])
    )
  )

/**
 * A signal is the normal way to stop a service: that is no failure to whoever started it. A program that had something
 * to finish says so in `process.exitCode`. A command that was stopped has not done what it was asked.
 */
const teardown =
  (kind: ProgramKind): Runtime.Teardown =>
  (exit, onExit) =>
    Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
      ? onExit(Number(process.exitCode ?? (kind === "service" ? 0 : interruptedExitCode)))
      : Runtime.defaultTeardown(exit, onExit)

/**
 * Node.js waits for whatever is open, and after success nobody ends it. A collector that does not answer keeps a
 * connection open for ten seconds; by now all that matters is done. What was written is let out first. A command whose
 * result is on no disk has failed; one whose reader had enough has not.
 */
const leaveAtOnce =
  (kind: ProgramKind, end: Runtime.Teardown): Runtime.Teardown =>
  (exit, onExit) =>
    end(exit, (code) => {
      onExit(code)
      process.stdout.write("", (error: NodeJS.ErrnoException | null | undefined) => {
        if (kind === "service" || error == null || error.code === "EPIPE") return process.exit()
        process.stderr.write(`error: the result cannot be written: ${error.message}\n`)
        process.exit(unwrittenExitCode)
      })
    })

/** As where any other disk cannot be written. */
const unwrittenExitCode = 73

/** What a shell shows for a program that SIGTERM has ended. */
const interruptedExitCode = 143

/** A service runs until it is stopped, a command until it is done. */
type ProgramKind = "service" | "command"

/** Expected failures are told in one message; a stack trace is for faults of ours. */
const explain = (cause: Cause.Cause<Expected>) =>
  Cause.hasInterruptsOnly(cause)
    ? Effect.void
    : Option.match(Cause.findErrorOption(cause), {
        // A command line that makes no sense has been answered with the help by then.
        onSome: (error) => (error._tag === "ShowHelp" ? Effect.void : Console.error(`error: ${error.message}`)),
        onNone: () => Console.error(Cause.pretty(cause))
      })

/**
 * Whoever reads what we say may be gone before us: at Ctrl-C all ends at once. An error of a stream that nobody listens
 * to would end this process on the spot, with its leases held and its children running.
 */
const outliveReaders = () => {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})
}

/** Runs until the effect ends or a signal comes; then the scopes close, in the reverse order of their opening. */
export const launch = (
  program: string,
  main: Effect.Effect<unknown, Expected>,
  kind: ProgramKind = "service"
): void => {
  outliveReaders()
  // A terminal that is closed, by the end of a session too: a service ends as it always does.
  if (kind === "service") process.on("SIGHUP", () => process.kill(process.pid, "SIGTERM"))
  const observed = main.pipe(Effect.provide(Layer.provideMerge(telemetry(program), logging(kind))))
  NodeRuntime.runMain(Effect.tapCause(observed, explain), {
    disableErrorReporting: true,
    teardown: leaveAtOnce(kind, teardown(kind))
  })
}
