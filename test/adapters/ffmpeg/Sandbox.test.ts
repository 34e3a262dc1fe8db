import { chmod, mkdir, mkdtemp, readFile, realpath, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { afterAll, beforeAll } from "vitest"
import { type Needs, open, type SandboxOptions } from "../../../src/adapters/ffmpeg/Sandbox.ts"
import { Subprocess } from "../../../src/adapters/process/Subprocess.ts"
import { bubblewrapWorks } from "../../support/bubblewrap.ts"
import { processesOf, until } from "../../support/programs.ts"

let folder: string
const at = (name: string) => join(folder, name)

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "vlog-sandbox-test-")))
  await mkdir(at("work"))
  await mkdir(at("bin"))
  await writeFile(at("given"), "given")
  await writeFile(at("secret"), "swordfish")
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const opened = new Map<SandboxOptions["mode"], Effect.Success<ReturnType<typeof open>>>()

const openOnce = Effect.fnUntraced(function* (mode: SandboxOptions["mode"], memory: number) {
  const sandbox = opened.get(mode) ?? (yield* open({ mode, memory }))
  opened.set(mode, sandbox)
  return sandbox
})

const memory = 256 * 1024 * 1024

/** What a shell in the sandbox prints, and how it ended. */
const inside = Effect.fnUntraced(function* (script: string, options: Partial<SandboxOptions> & Partial<Needs> = {}) {
  const { mode = "auto", ...needs } = options
  const subprocess = yield* Subprocess
  const sandbox = yield* openOnce(mode, memory)
  const access = { purpose: "encode", reads: [at("given")], writes: [at("work")], ...needs } as const
  const child = yield* subprocess.start("/bin/sh", ["-c", script], { ...sandbox.around(access), cwd: folder })
  const lines = yield* Stream.runCollect(child.lines)
  return { lines, ...(yield* child.exitStatus), stderr: yield* child.stderrTail }
}, Effect.scoped)

/** Programs that lie about what they are, found before the real ones. */
const withPrograms = <A, E, R>(programs: Readonly<Record<string, string>>, effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const before = process.env["PATH"]
      for (const [name, text] of Object.entries(programs)) {
        await writeFile(join(at("bin"), name), `#!/bin/sh\n${text}\n`)
        await chmod(join(at("bin"), name), 0o755)
      }
      process.env["PATH"] = `${at("bin")}${delimiter}${before}`
      return before
    }),
    () => effect,
    (before) => Effect.sync(() => (process.env["PATH"] = before))
  )

layer(Subprocess.layer, { excludeTestServices: true, timeout: "60 seconds" })("ffmpeg's surroundings", (it) => {
  describe.runIf(bubblewrapWorks)("in a sandbox of bubblewrap", () => {
    it.effect("hold the files that were given and no others", () =>
      Effect.gen(function* () {
        const { lines } = yield* inside(
          `cat ${at("given")}; echo; cat ${at("secret")} || echo hidden; cat /etc/passwd || echo hidden
           (echo spoilt > ${at("given")}) || echo unchanged; (echo no > ${at("new")}) || echo "nothing new"
           echo made > ${at("work/made")}`
        )
        assert.deepStrictEqual(lines, ["given", "hidden", "hidden", "unchanged", "nothing new"])
        assert.strictEqual(yield* Effect.promise(() => readFile(at("work/made"), "utf8")), "made\n")
      })
    )

    it.effect("have no network and no other process", () =>
      Effect.gen(function* () {
        const { lines } = yield* inside(`tail -n +3 /proc/net/dev | cut -d: -f1; cat /proc/[0-9]*/comm | grep -c node`)
        assert.deepStrictEqual(
          lines.map((line) => line.trim()),
          ["lo", "0"]
        )
      })
    )

    it.effect("have the signal that ended the command for their end", () =>
      Effect.gen(function* () {
        assert.deepInclude(yield* inside("sh -c 'kill -KILL $$'; exit $?"), { code: null, signal: "SIGKILL" })
        assert.deepInclude(yield* inside("exit 69"), { code: 69, signal: null })
      })
    )
  })

  it.effect("have no secrets in their environment", () =>
    Effect.acquireUseRelease(
      Effect.sync(() =>
        Object.assign(process.env, {
          VLOG_WORKER_API_KEY: "swordfish",
          LIBVA_DRIVER_NAME: "iHD",
          MALLOC_ARENA_MAX: "1"
        })
      ),
      () =>
        Effect.gen(function* () {
          const { lines } = yield* inside("env", { mode: "off", env: { AV_LOG_FORCE_NOCOLOR: "1" } })
          assert.include(lines, "LIBVA_DRIVER_NAME=iHD")
          assert.include(lines, "AV_LOG_FORCE_NOCOLOR=1")
          assert.notInclude(lines.join("\n"), "swordfish")
          assert.notInclude(lines, "MALLOC_ARENA_MAX=1")
        }),
      () =>
        Effect.sync(() =>
          ["VLOG_WORKER_API_KEY", "LIBVA_DRIVER_NAME", "MALLOC_ARENA_MAX"].forEach((name) => delete process.env[name])
        )
    )
  )

  for (const mode of ["auto", "off"] as const) {
    it.effect(`have bounded memory and files, with the sandbox ${mode}`, () =>
      Effect.gen(function* () {
        const bomb = yield* inside("dd if=/dev/zero of=/dev/null bs=400M count=1", { mode })
        assert.isAbove(bomb.code ?? 0, 0)
        assert.match(bomb.stderr, /memory exhausted/)
        const large = yield* inside(`exec dd if=/dev/zero of=${at("work/large")} bs=1 count=1 seek=2G`, { mode })
        // The first process of a namespace hears of it from its write, others by a signal (pid_namespaces(7)).
        assert.isTrue(large.signal === "SIGXFSZ" || (large.code === 1 && large.stderr.includes("File too large")))
        assert.strictEqual((yield* Effect.promise(() => stat(at("work/large")))).size, 0)
      })
    )

    it.effect(`leave nothing behind when the worker is killed, with the sandbox ${mode}`, () =>
      Effect.gen(function* () {
        const subprocess = yield* Subprocess
        const mark = `vlog-mark-${mode}-${process.pid}`
        const fixture = fileURLToPath(new URL("sandboxed.fixture.ts", import.meta.url))
        const parent = yield* subprocess.start(process.execPath, [fixture, bubblewrapWorks ? mode : "off", mark])
        yield* Stream.runHead(parent.lines)
        const running = processesOf(mark).filter(({ pid }) => pid !== parent.pid)
        assert.isNotEmpty(running)
        process.kill(parent.pid, "SIGKILL")
        yield* Effect.promise(() => until("nothing is left", () => processesOf(mark).length === 0))
      }).pipe(Effect.scoped)
    )
  }

  describe("are found out by trying, and what does not work is told", () => {
    it.effect("when namespaces are not allowed", () =>
      Effect.gen(function* () {
        const words = "bwrap: No permissions to create new namespace"
        const { report } = yield* withPrograms({ bwrap: `echo '${words}' >&2; exit 1` }, open({ mode: "auto" }))
        assert.notStrictEqual(report.sandbox, "bubblewrap")
        assert.include(report.reason, `bubblewrap: ${words}`)
      })
    )

    it.effect("when a sandbox lets everything through", () =>
      Effect.gen(function* () {
        const sieve = `while [ "$1" != -- ]; do shift; done; shift; exec "$@"`
        const error = yield* withPrograms({ bwrap: sieve, setpriv: sieve }, open({ mode: "require" })).pipe(Effect.flip)
        assert.include(error.message, "VLOG_FFMPEG_SANDBOX")
        assert.include(error.message, "bubblewrap: it lets a program read a file that was not given to it")
        assert.include(error.message, "landlock: it lets a program read a file that was not given to it")
      })
    )

    it.effect("when it is off", () =>
      Effect.gen(function* () {
        const { report } = yield* open({ mode: "off" })
        assert.deepStrictEqual(report, { sandbox: "none", reason: "VLOG_FFMPEG_SANDBOX is off" })
      })
    )
  })

  it.effect("are asked of Landlock by the rules that setpriv of util-linux 2.40 takes", () =>
    Effect.gen(function* () {
      const notes = at("rules")
      const setpriv = `case "$*" in *landlock*) printf '%s\\n' "$@" >> ${notes};; esac; exit 1`
      yield* withPrograms({ bwrap: "exit 1", setpriv }, open({ mode: "auto" }))
      const rules = (yield* Effect.promise(() => readFile(notes, "utf8"))).split("\n")
      assert.includeMembers(rules, [
        "--no-new-privs",
        "path-beneath:execute,read-file,read-dir:/usr",
        "path-beneath:read-file,write-file:/dev/null",
        "path-beneath:read-file,read-dir:/proc/self"
      ])
      assert.isTrue(
        rules.some((rule) => /^path-beneath::.*vlog-sandbox-/.test(rule)),
        "all rights in the output folder"
      )
      assert.isFalse(
        rules.some((rule) => /:(\/|\/proc|\/etc|\/tmp)$/.test(rule)),
        "nothing wide"
      )
    })
  )
})
