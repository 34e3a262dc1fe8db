/** How every program of this project lives and dies. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Config, Console, Effect, Exit, Layer, Logger, Option, References, Runtime } from "effect"

/** A person at a terminal reads; a cluster's log collector parses. */
const logging = Layer.mergeAll(
  Logger.layer([process.stdout.isTTY ? Logger.consolePretty() : Logger.consoleJson]),
  Layer.effect(
    References.MinimumLogLevel,
    Config.LogLevel("LOG_LEVEL").pipe(Config.withDefault("Info" as const), Effect.orDie)
  )
)

/** A signal is the normal way to stop a service: that is no failure to whoever started it. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)

/** Expected failures are told in one message; a stack trace is for faults of ours. */
const explain = <E extends { readonly message: string }>(cause: Cause.Cause<E>) =>
  Cause.hasInterruptsOnly(cause)
    ? Effect.void
    : Option.match(Cause.findErrorOption(cause), {
        onSome: (error) => Console.error(`error: ${error.message}`),
        onNone: () => Console.error(Cause.pretty(cause))
      })

/** Runs until the effect ends or a signal comes; then the scopes close, in the reverse order of their opening. */
export const launch = <E extends { readonly message: string }>(main: Effect.Effect<unknown, E>): void =>
  NodeRuntime.runMain(main.pipe(Effect.tapCause(explain), Effect.provide(logging)), {
    disableErrorReporting: true,
    teardown
  })
