import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber, Option, Stream } from "effect"
import { ProcessFailed, SpawnFailed, Subprocess } from "../../../src/adapters/process/Subprocess.ts"

/** A zombie is not alive: nobody but its parent can make it go away. */
const alive = (pid: number) => {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  if (process.platform !== "linux") return true
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

const numberAfter = (name: string, line: Option.Option<string>) => {
  const text = Option.getOrThrow(line)
  assert.isTrue(text.startsWith(`${name}=`), text)
  return Number(text.slice(name.length + 1))
}

const untilGone = (pid: number) =>
  Effect.sleep("20 millis").pipe(Effect.repeat({ while: () => alive(pid) }), Effect.timeout("5 seconds"))

const isRoot = process.getuid?.() === 0

layer(Subprocess.layer, { excludeTestServices: true })("Subprocess", (it) => {
  describe("input", () => {
    it.effect("is read by the child until it is ended", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const child = yield* subprocess.start("cat", [], { stdin: "pipe" })
        yield* child.write("one\n")
        yield* child.write(new TextEncoder().encode("two"))
        yield* child.endInput
        assert.deepStrictEqual(yield* Stream.runCollect(child.lines), ["one", "two"])
        yield* child.exit
      })
    )

    it.effect("is as fast as the child reads, and lost when nobody does", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const child = yield* subprocess.start("head", ["-c", "3"], { stdin: "pipe" })
        const chunk = new Uint8Array(256 * 1024).fill(65)
        yield* Effect.forEach([1, 2, 3, 4], () => child.write(chunk))
        yield* child.exit
        assert.deepStrictEqual(yield* Stream.runCollect(child.lines), ["AAA"])
      })
    )
  })

  describe("output", () => {
    it.effect("gives the lines of stdout, the last one also without a newline", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const child = yield* subprocess.start("printf", ["one\\ntwo\\n\\nlast"])
        assert.deepStrictEqual(yield* Stream.runCollect(child.lines), ["one", "two", "", "last"])
        yield* child.exit
      })
    )

    it.effect("waits for its reader, also when the child has long ended", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const child = yield* subprocess.start("sh", ["-c", "seq 5000"])
        yield* child.exit
        assert.lengthOf(yield* Stream.runCollect(child.lines), 5000)
      })
    )

    it.effect("gives the lines of stderr and keeps their end", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const child = yield* subprocess.start("sh", ["-c", "echo a >&2; echo b >&2"], {
          stdout: "ignore",
          stderr: "lines"
        })
        assert.deepStrictEqual(yield* Stream.runCollect(child.errorLines), ["a", "b"])
        yield* child.exit
        assert.strictEqual(yield* child.stderrTail, "a\nb")
      })
    )

    it.effect("fails with the exit code and only the end of a long stderr", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const script = "yes noise | head -c 300000 >&2; echo 'Invalid data found' >&2; exit 69"
        const child = yield* subprocess.start("sh", ["-c", script], { stdout: "ignore", stderrTailBytes: 200 })
        const error = yield* Effect.flip(child.exit)
        assert.strictEqual(error.exitCode, 69)
        assert.isNull(error.signal)
        assert.isAtMost(error.stderrTail.length, 200)
        assert.isTrue(error.message.endsWith("ended with exit code 69: Invalid data found"), error.message)
      })
    )

    it.effect("says which signal ended the child", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const child = yield* subprocess.start("sleep", ["1000"], { stdout: "ignore" })
        yield* child.kill("SIGQUIT")
        assert.deepStrictEqual(yield* child.exitStatus, { code: null, signal: "SIGQUIT" })
        assert.strictEqual((yield* Effect.flip(child.exit)).message, "sleep 1000 was ended by SIGQUIT")
      })
    )

    it.effect("collects the output of a run and refuses too much of it", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const { stdout } = yield* subprocess.run("sh", ["-c", "echo out; echo err >&2"])
        assert.strictEqual(stdout, "out\n")
        const error = yield* Effect.flip(subprocess.run("yes", [], { stdoutLimitBytes: 100_000 }))
        assert.instanceOf(error, ProcessFailed)
        assert.strictEqual(error.message, "yes wrote more than 100000 bytes")
      })
    )

    it.effect("adds to the environment, or replaces it", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const extended = yield* subprocess.run("env", [], { env: { VLOG_TEST: "1" } })
        assert.include(extended.stdout, "VLOG_TEST=1")
        assert.include(extended.stdout, "PATH=")
        const bare = yield* subprocess.run("env", [], { env: { VLOG_TEST: "1" }, bareEnvironment: true })
        assert.strictEqual(bare.stdout, "VLOG_TEST=1\n")
      })
    )
  })

  describe("failing to start", () => {
    it.effect("says that a program is not on PATH", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const error = yield* Effect.flip(subprocess.start("no-such-ffmpeg", ["-version"]))
        assert.instanceOf(error, SpawnFailed)
        assert.include(error.message, "could not start no-such-ffmpeg: it was not found on PATH")
      })
    )

    it.effect("says that a file may not be executed, and that a working directory is missing", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const plain = yield* Effect.flip(subprocess.start(fileURLToPath(import.meta.url), []))
        assert.include(plain.message, "may not execute it")
        const nowhere = yield* Effect.flip(subprocess.start("true", [], { cwd: "/no/such/folder" }))
        assert.instanceOf(nowhere, SpawnFailed)
        assert.include(nowhere.message, "no such working directory")
      })
    )

    it.effect("keeps the environment and the passwords of URLs out of the message", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const error = yield* subprocess
          .run("sh", ["-c", "exit 3", "postgres://vlog:hunter2@db/vlog"], { env: { SECRET: "hunter3" } })
          .pipe(Effect.flip)
        assert.include(error.message, "postgres://vlog:***@db/vlog")
        assert.notInclude(JSON.stringify(error), "hunter")
      })
    )
  })

  describe("ending", () => {
    it.effect("reaps a child whose reader stopped early", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const pid = yield* Effect.gen(function* () {
          const child = yield* subprocess.start("yes", [])
          assert.strictEqual((yield* child.lines.pipe(Stream.take(5), Stream.runCollect)).length, 5)
          return child.pid
        }).pipe(Effect.scoped)
        assert.isFalse(alive(pid))
      })
    )

    it.effect("reaps a child whose output nobody read", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const child = yield* Effect.scoped(subprocess.start("yes", []))
        assert.isFalse(alive(child.pid))
      })
    )

    it.effect("lets a polite child finish what it does at SIGTERM", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const child = yield* Effect.gen(function* () {
          const script = "trap 'sleep 0.1; echo bye >&2; exit 0' TERM; echo ready; while :; do sleep 0.02; done"
          const child = yield* subprocess.start("sh", ["-c", script])
          yield* Stream.runHead(child.lines)
          return child
        }).pipe(Effect.scoped)
        assert.match(yield* child.stderrTail, /bye$/)
        assert.deepStrictEqual(yield* child.exitStatus, { code: 0, signal: null })
      })
    )

    it.effect("kills a child that ignores SIGTERM at the end of its grace, and the grandchild with it", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const pids: Array<number> = []
        const fiber = yield* Effect.gen(function* () {
          const script = "trap '' TERM; sleep 1000 >/dev/null 2>&1 & echo pid=$!; wait"
          const child = yield* subprocess.start("sh", ["-c", script], { grace: "300 millis" })
          pids.push(child.pid, numberAfter("pid", yield* Stream.runHead(child.lines)))
          yield* child.exit
        }).pipe(Effect.scoped, Effect.forkChild)
        yield* Effect.sleep("10 millis").pipe(Effect.repeat({ until: () => pids.length === 2 }))
        assert.deepStrictEqual(pids.map(alive), [true, true])
        const begin = performance.now()
        yield* Fiber.interrupt(fiber)
        assert.isAtLeast(performance.now() - begin, 290)
        assert.isBelow(performance.now() - begin, 2_000)
        yield* Effect.forEach(pids, untilGone)
      })
    )

    it.effect("does not leave behind what an ended shell had started", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const pid = yield* Effect.gen(function* () {
          const script = "sleep 1000 >/dev/null 2>&1 & echo pid=$!"
          const child = yield* subprocess.start("sh", ["-c", script])
          const pid = numberAfter("pid", yield* Stream.runHead(child.lines))
          yield* child.exit
          assert.isTrue(alive(pid))
          return pid
        }).pipe(Effect.scoped)
        yield* untilGone(pid)
      })
    )

    it.effect.runIf(process.platform === "linux")("ends with a parent that was killed with SIGKILL", () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const parent = yield* subprocess.start(process.execPath, [
          fileURLToPath(new URL("parent.fixture.ts", import.meta.url))
        ])
        const pid = numberAfter("pid", yield* Stream.runHead(parent.lines))
        assert.isTrue(alive(pid))
        // Only the parent: a signal to the group would not reach the child, which has its own, but prove it plainly.
        process.kill(parent.pid, "SIGKILL")
        yield* untilGone(pid)
      })
    )
  })

  it.effect.runIf(isRoot)("runs a child as another user", () =>
    Effect.gen(function* () {
      const subprocess = yield* Subprocess
      const ids = ["-c", "id -u; id -g; id -G"]
      const wrapped = yield* subprocess.run("sh", ids, { user: { uid: 65_534, gid: 65_534 } })
      assert.strictEqual(wrapped.stdout, "65534\n65534\n65534\n")
      const plain = yield* subprocess.run("sh", ids, { user: { uid: 65_534, gid: 65_534 }, diesWithParent: false })
      assert.strictEqual(plain.stdout, "65534\n65534\n65534\n")
    })
  )
})
