/** Starts a long child in the sandbox that is asked for, says so, and stays until it is killed. */
import { Console, Effect, Stream } from "effect"
import { open } from "../../../src/adapters/ffmpeg/Sandbox.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"

const [, , mode = "auto", mark = ""] = process.argv

const program = Effect.gen(function* () {
  const subprocess = yield* Subprocess
  const sandbox = yield* open({ mode: mode === "off" ? "off" : "require" })
  const script = "echo running; sleep 1000 & wait"
  const child = yield* subprocess.start("/bin/sh", ["-c", script, mark], sandbox.around({ purpose: "encode" }))
  yield* Stream.runForEach(child.lines, Console.log)
})

void program.pipe(Effect.scoped, Effect.provide(Subprocess.layer), Effect.runPromise)
