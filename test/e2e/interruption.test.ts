/** Whatever ends the farm: no process stays, nothing half made is shown, and the next start goes on. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { chmod, mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { countFrames } from "../support/media.ts"
import { freePort, processesOf, type Program, start, stopAll, until } from "../support/programs.ts"
import { type Film, longMp4 } from "./films.ts"
import { getRaw } from "./published.ts"

let folder: string
let data: string
let port: number
let first: Film
let second: Film

beforeAll(async () => {
  folder = await mkdtemp("/tmp/vlog-interruption-")
  await chmod(folder, 0o755)
  data = join(folder, "data")
  port = await freePort()
  first = await longMp4(folder, 1)
  second = await longMp4(folder, 2)
})

afterAll(async () => {
  await stopAll()
  await rm(folder, { recursive: true, force: true })
})

const farm = (film: Film, ...more: ReadonlyArray<string>) =>
  // Short, so that the next start need not wait long for what a killed worker held, nor we for a worker without an API.
  start("start", [...more, "--data", data, "--port", String(port), film.path], {
    VLOG_WORKER_LEASE_SECONDS: "10",
    VLOG_WORKER_DRAIN_SECONDS: "5"
  })

const namesIn = (...path: ReadonlyArray<string>) => {
  const place = join(data, ...path)
  return existsSync(place) ? readdirSync(place) : []
}

const uploadedParts = () => namesIn("storage", "attempts").flatMap((lease) => namesIn("storage", "attempts", lease))

/** A part of the film has reached the server, and the film is not done. */
const midJob = async (program: Program) => {
  const before = uploadedParts().length
  await program.said("transcoding", { within: 120_000 })
  // The poster, and a segment at least.
  await until("a segment is uploaded", () => uploadedParts().length >= before + 3, { within: 120_000 })
  assert.notInclude(program.output(), "published")
}

const endsWithin = async (program: Program, millis: number) => {
  const began = Date.now()
  const ending = await Promise.race([program.ended, delay(millis)])
  if (ending === undefined) assert.fail(`still there after ${millis} ms:\n${program.output()}`)
  return { ...ending, millis: Date.now() - began }
}

const claims = (slug: string) =>
  readFileSync(join(data, "logs", "worker.log"), "utf8")
    .split("\n")
    .filter((line) => line.includes('"claimed"') && line.includes(`"slug":"${slug}"`))
    .map((line) => {
      const { annotations, message } = JSON.parse(line) as {
        message: [string, { attempt: number }]
        annotations: { job: number; lease: string }
      }
      return { attempt: message[1].attempt, job: annotations.job, lease: annotations.lease }
    })

describe("Ctrl-C", () => {
  it("while everything starts leaves nothing running", async () => {
    const program = farm(first, "--once")
    await program.said("Starting PostgreSQL")
    await until("a child runs", () => processesOf(data).length > 1)
    program.pressCtrlC()
    await endsWithin(program, 20_000)
    assert.deepStrictEqual(processesOf(data), [])
    assert.notMatch(program.output(), /^\s+at |^error/m)
  })

  it("in the middle of a job ends all at once and shows nothing half made", async () => {
    const program = farm(first, "--once")
    await midJob(program)
    program.pressCtrlC()
    const { code } = await endsWithin(program, 20_000)
    assert.strictEqual(code, 130, "with --once, 0 says that everything was published")
    assert.deepStrictEqual(processesOf(data), [])
    assert.deepStrictEqual(namesIn("storage", "published"), [])
    assert.deepStrictEqual(namesIn("storage", "tmp"), [])
    assert.deepStrictEqual(namesIn("work"), [])
    assert.notMatch(program.output(), /^\s+at |^error/m)
  })

  it("lets the next start go on with the same job, whose attempts it has not used up", async () => {
    const program = farm(first, "--once")
    const { code } = await endsWithin(program, 240_000)
    assert.strictEqual(code, 0, program.output())
    assert.include(program.output(), `${first.slug}: published`)
    assert.strictEqual(namesIn("storage", "uploads").length, 1)
    const [before, after, ...more] = claims(first.slug)
    assert.deepStrictEqual(more, [])
    assert.deepInclude(before, { attempt: 1 })
    assert.deepInclude(after, { attempt: 1, job: before!.job })
    assert.deepStrictEqual(namesIn("storage", "published"), [after!.lease])
    assert.deepStrictEqual(processesOf(data), [])
  })
})

describe("kill -9 of the program that started all others", () => {
  it("takes them with it, in the middle of a job", async () => {
    const program = farm(second, "--once")
    await midJob(program)
    const commands = processesOf(data).map(({ command }) => command)
    for (const name of ["start.ts", "api.ts", "worker.ts", "ffmpeg", "postgres"]) {
      assert.isTrue(
        commands.some((command) => command.includes(name)),
        `${name} among ${commands.join("\n")}`
      )
    }
    const unpublished = await getRaw(port, `/videos/${second.slug}/master.m3u8`)
    assert.strictEqual(unpublished.status, 404)
    program.kill("SIGKILL")
    await until("all are gone", () => processesOf(data).length === 0, {
      within: 30_000,
      details: () => JSON.stringify(processesOf(data), null, 1)
    })
    assert.strictEqual(namesIn("storage", "published").length, 1)
  })

  it("does not keep the next start from publishing both", async () => {
    const program = farm(second)
    await program.said("Serving until you press Ctrl-C", { within: 240_000 })
    const address = `http://127.0.0.1:${port}/videos`
    assert.strictEqual(await countFrames(`${address}/${second.slug}/master.m3u8`), second.frames)
    assert.strictEqual(await countFrames(`${address}/${first.slug}/master.m3u8`), first.frames)
    const [before, after] = claims(second.slug)
    assert.strictEqual(after?.job, before?.job)
    program.pressCtrlC()
    const { code } = await endsWithin(program, 20_000)
    assert.strictEqual(code, 0, "serving until Ctrl-C is how it is meant to end")
    assert.deepStrictEqual(namesIn("work"), [], "what the killed worker left has gone too")
    assert.deepStrictEqual(processesOf(data), [])
  })
})
