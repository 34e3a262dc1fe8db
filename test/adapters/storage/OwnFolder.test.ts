import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, readdirSync } from "node:fs"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, assert, beforeEach, describe, it } from "vitest"
import { clearDead, occupy } from "../../../src/adapters/storage/OwnFolder.ts"

const module = fileURLToPath(new URL("../../../src/adapters/storage/OwnFolder.ts", import.meta.url))

let root: string
let others: Array<ChildProcess>

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "vlog-own-folder-"))
  others = []
})

afterEach(async () => {
  for (const other of others) other.kill("SIGKILL")
  await rm(root, { recursive: true, force: true })
})

/** Another process with a folder of its own, and a task in it. */
const otherWorker = async () => {
  const script = `import { occupy } from ${JSON.stringify(module)}
import { mkdirSync } from "node:fs"
const { path } = await occupy(${JSON.stringify(root)})
mkdirSync(path + "/lease/output", { recursive: true })
console.log(path)
setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  others.push(child)
  const [said] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string]
  const kill = async (signal: NodeJS.Signals) => {
    const ended = once(child, "exit")
    child.kill(signal)
    await ended
  }
  return { path: said.trim(), child, kill }
}

describe("a worker's own folder", () => {
  it("is removed by the next when the worker was killed, and only then", async () => {
    const [killed, living, stopped] = await Promise.all([otherWorker(), otherWorker(), otherWorker()])
    stopped.child.kill("SIGSTOP")
    await killed.kill("SIGKILL")
    const own = await occupy(root)
    assert.deepStrictEqual(
      (await clearDead(root)).map((name) => join(root, name)),
      [killed.path]
    )
    assert.isFalse(existsSync(killed.path))
    for (const { path } of [living, stopped]) assert.isTrue(existsSync(join(path, "lease/output")))
    assert.isTrue(existsSync(own.path))
    await own.leave()
    assert.isFalse(existsSync(own.path))
  })

  it("is told from whatever else lies there", async () => {
    await mkdir(join(root, "worker-of-somebody"))
    await mkdir(join(root, "films"))
    await writeFile(join(root, "worker-list"), "")
    assert.deepStrictEqual(await clearDead(root), [])
    assert.deepStrictEqual(readdirSync(root).toSorted(), ["films", "worker-list", "worker-of-somebody"])
  })

  it("says why nobody can see that it is in use", async () => {
    const deep = join(root, "far".repeat(40))
    const own = await occupy(deep)
    assert.match(own.problem ?? "", /ENAMETOOLONG|EINVAL/)
    assert.isTrue(existsSync(own.path))
    assert.deepStrictEqual(await clearDead(deep), [])
    await own.leave()
    assert.deepStrictEqual(readdirSync(deep), [])
  })
})
