/** Replicas of the bundled Worker API over one database and one storage, and how they are killed and come back. */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { createServer, type AddressInfo } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { imageEnvironment, imageFlags } from "./image.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

const freePort = () =>
  new Promise<number>((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => done(port))
    })
  })

export interface Replica {
  readonly address: string
  readonly pid: () => number
  /** Kills it with -9, and waits until it is gone. */
  kill(): Promise<void>
  /** Starts it and waits until it is well; fails with what it said when it dies before, or takes too long. */
  start(): Promise<void>
}

const startLimit = 60_000

export const makeReplica = async (program: string, env: Readonly<Record<string, string>>): Promise<Replica> => {
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  let child: ChildProcess | undefined
  const isWell = async () =>
    fetch(`${address}/api/health`, { signal: AbortSignal.timeout(2000) }).then(
      ({ status }) => status === 200,
      () => false
    )
  return {
    address,
    pid: () => child?.pid ?? 0,
    start: async () => {
      let said = ""
      const started = spawn(process.execPath, [...imageFlags, program], {
        env: {
          ...imageEnvironment,
          ...env,
          VLOG_WORKER_API_HOST: "127.0.0.1",
          VLOG_WORKER_API_PORT: String(port),
          LOG_LEVEL: "warn"
        },
        stdio: ["ignore", "pipe", "pipe"]
      })
      child = started
      for (const stream of [started.stdout, started.stderr]) {
        stream.on("data", (text: Buffer) => (said = (said + text.toString()).slice(-4000)))
      }
      const until = Date.now() + startLimit
      while (!(await isWell())) {
        if (started.exitCode !== null || started.signalCode !== null) {
          throw new Error(`a replica died at its start:\n${said}`)
        }
        if (Date.now() > until) throw new Error(`a replica is not well after ${startLimit / 1000} s:\n${said}`)
        await sleep(50)
      }
    },
    kill: async () => {
      const victim = child
      if (victim === undefined || victim.exitCode !== null || victim.signalCode !== null) return
      const gone = new Promise((done) => victim.once("exit", done))
      victim.kill("SIGKILL")
      await gone
    }
  }
}

/** The bundled program of the Worker API. */
export const bundleApi = async (folder: string) => {
  const dist = join(folder, "dist")
  await promisify(execFile)(process.execPath, [join(root, "scripts/bundle.mjs"), dist, "api"])
  return join(dist, "api.js")
}

export const makeReplicas = async (options: {
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
}): Promise<readonly [Replica, Replica]> => {
  const program = await bundleApi(options.folder)
  return [await makeReplica(program, options.env), await makeReplica(program, options.env)]
}
