/** The project's real programs as child processes, and what is left of them. */
import { spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { createServer, type AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const repository = fileURLToPath(new URL("../..", import.meta.url))

const pinnedNode = `${repository}node_modules/node/bin/node`

/** For `NODE_COMPILE_CACHE`: half of the time of a short program is spent on reading its code. */
export const compileCache = join(tmpdir(), "vlog-test-compile-cache")

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Program {
  readonly pid: number
  /** Everything written so far, stdout and stderr together. */
  output(): string
  stderr(): string
  /** Waits until the output has this in it; fails with the output when the program ends before. */
  said(what: string | RegExp, options?: { readonly within?: number }): Promise<void>
  readonly ended: Promise<Ending>
  kill(signal: NodeJS.Signals): void
  /** What a terminal does: everything in the program's process group gets SIGINT. */
  pressCtrlC(): void
}

const delay = (millis: number) => new Promise<void>((done) => setTimeout(done, millis))

/** Looks again and again until it is true; then the last answer is in the message. */
export const until = async (
  what: string,
  check: () => boolean | Promise<boolean>,
  options: { readonly within?: number; readonly every?: number; readonly details?: () => string } = {}
) => {
  const deadline = Date.now() + (options.within ?? 30_000)
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`never came true: ${what}\n${options.details?.() ?? ""}`)
    await delay(options.every ?? 50)
  }
}

/** Runs one of `src/programs` with the pinned Node and with no setting of ours from outside. */
export const start = (
  name: "start" | "api" | "worker" | "cleanup" | "backup",
  args: ReadonlyArray<string> = [],
  env: Readonly<Record<string, string>> = {}
): Program => {
  const inherited = Object.entries(process.env).filter(([key]) => !/^(VLOG_|VITEST|NODE_|INIT_CWD|LOG_LEVEL)/.test(key))
  const child = spawn(pinnedNode, [`${repository}src/programs/${name}.ts`, ...args], {
    cwd: repository,
    env: { ...Object.fromEntries(inherited), NODE_COMPILE_CACHE: compileCache, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true
  })
  let all = ""
  let errors = ""
  let ending: Ending | null = null
  child.stdout.setEncoding("utf8").on("data", (text: string) => (all += text))
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    all += text
    errors += text
  })
  // "close" and not "exit": only then has everything been read.
  const ended = new Promise<Ending>((done) =>
    child.once("close", (code, signal) => {
      ending = { code, signal }
      done(ending)
    })
  )
  const program: Program = {
    pid: child.pid!,
    output: () => all,
    stderr: () => errors,
    ended,
    kill: (signal) => void child.kill(signal),
    pressCtrlC: () => void process.kill(-child.pid!, "SIGINT"),
    said: (what, options = {}) =>
      until(
        `${name} says ${String(what)}`,
        () => {
          if (typeof what === "string" ? all.includes(what) : what.test(all)) return true
          if (ending !== null) throw new Error(`${name} ended with ${JSON.stringify(ending)}:\n${all}`)
          return false
        },
        { within: options.within ?? 60_000, details: () => all }
      )
  }
  running.add(program)
  void ended.then(() => running.delete(program))
  return program
}

const running = new Set<Program>()

/** For the end of a test file: whatever a failed test left running. */
export const stopAll = async () => {
  const left = [...running]
  for (const program of left) program.kill("SIGTERM")
  await Promise.all(left.map((program) => Promise.race([program.ended, delay(20_000)])))
  for (const program of running) program.kill("SIGKILL")
}

/** Runs to the end. */
export const runToEnd = async (...args: Parameters<typeof start>) => {
  const program = start(...args)
  const ending = await program.ended
  return { ...ending, output: program.output(), stderr: program.stderr() }
}

export const freePort = () =>
  new Promise<number>((done) => {
    const server = createServer()
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => done(port))
    })
  })

export interface LivingProcess {
  readonly pid: number
  readonly command: string
}

const textOf = (path: string) => {
  try {
    return readFileSync(path, "utf8").replaceAll("\0", " ")
  } catch {
    return ""
  }
}

/**
 * Every process whose command or environment names this folder: the start program, PostgreSQL, the API, the worker and
 * ffmpeg all do. What has ended but was not reaped yet has neither.
 */
export const processesOf = (folder: string): ReadonlyArray<LivingProcess> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((name) => ({
      pid: Number(name),
      command: textOf(`/proc/${name}/cmdline`),
      environment: textOf(`/proc/${name}/environ`)
    }))
    .filter(({ command, environment }) => command.includes(folder) || environment.includes(folder))
    .map(({ command, pid }) => ({ pid, command: command.slice(0, 160) }))
