/** The real programs of the farm, started as processes of their own. */
import { Effect, Schedule, Stream } from "effect"
import { HttpClient } from "effect/http"
import { createWriteStream } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Subprocess } from "../../adapters/process/Subprocess.ts"
import { startError } from "./StartError.ts"

const program = (name: string) => fileURLToPath(new URL(`../${name}.ts`, import.meta.url))

/** `error: the message`, the last thing that our programs write to stderr before they give up. */
const lastError = (stderr: string): string => {
  const at = stderr.lastIndexOf("error: ")
  return (at === -1 ? stderr : stderr.slice(at + "error: ".length)).trim()
}

/** Runs a program until the scope closes; what it logs goes to a file. `died` never succeeds. */
export const startProgram = Effect.fnUntraced(function* (
  name: string,
  options: {
    readonly logs: string
    readonly env: Readonly<Record<string, string>>
    readonly grace: `${number} seconds`
  }
) {
  const subprocess = yield* Subprocess
  const log = yield* Effect.acquireRelease(
    Effect.sync(() => createWriteStream(join(options.logs, `${name}.log`), { flags: "a" })),
    (log) => Effect.callback<void>((resume) => void log.end(() => resume(Effect.void)))
  )
  const child = yield* subprocess
    .start(process.execPath, [program(name)], {
      env: { ...options.env },
      grace: options.grace,
      diesWithParent: "SIGTERM"
    })
    .pipe(Effect.mapError((error) => startError(error.message)))
  yield* Effect.forkScoped(Stream.runForEach(child.lines, (line) => Effect.sync(() => log.write(`${line}\n`))))
  const died = child.exitStatus.pipe(
    Effect.andThen(child.stderrTail),
    Effect.flatMap((stderr) =>
      Effect.fail(startError(lastError(stderr) || `The ${name} ended by itself: see ${options.logs}/${name}.log`))
    )
  )
  return { died }
})

/** Sources are looked into with one, and transcoded by the worker with the other. */
export const assertFfmpeg = Effect.gen(function* () {
  const subprocess = yield* Subprocess
  yield* Effect.forEach(["ffmpeg", "ffprobe"], (program) => subprocess.run(program, ["-version"])).pipe(
    Effect.mapError((error) => startError(`${error.message} (the package ffmpeg brings ffmpeg and ffprobe)`))
  )
})

/** Said before anything else is started, because everything else would be for nothing. */
export const assertPortFree = Effect.fnUntraced(function* (port: number) {
  const free = yield* Effect.callback<boolean>((resume) => {
    const server = createServer()
    server.once("error", () => resume(Effect.succeed(false)))
    server.listen(port, "0.0.0.0", () => server.close(() => resume(Effect.succeed(true))))
  })
  if (!free) {
    return yield* startError(
      `Port ${port} is already in use: stop the program that listens there, or choose another with --port`
    )
  }
})

/** Waits until the API says that it is well. */
export const awaitHealthy = Effect.fnUntraced(function* (address: string) {
  const http = yield* HttpClient.HttpClient
  yield* http.get(`${address}/api/health`).pipe(
    Effect.map((response) => response.status === 200),
    Effect.orElseSucceed(() => false),
    Effect.repeat({ until: (healthy) => healthy, schedule: Schedule.spaced("200 millis") }),
    Effect.timeoutOrElse({
      duration: "60 seconds",
      orElse: () => Effect.fail(startError(`The Worker API at ${address} did not become healthy within a minute`))
    })
  )
})
