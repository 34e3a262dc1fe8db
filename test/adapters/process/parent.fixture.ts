/** Starts a child through Subprocess, says its pid, and stays until it is killed. */
import { Console, Effect } from "effect"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"

const program = Effect.gen(function* () {
  const subprocess = yield* Subprocess
  const child = yield* subprocess.start("sleep", ["1000"], { stdout: "ignore" })
  yield* Console.log(`pid=${child.pid}`)
  yield* child.exit
})

void program.pipe(Effect.scoped, Effect.provide(Subprocess.layer), Effect.runPromise)
