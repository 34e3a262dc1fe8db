/** What cannot work is said in one message before anything is started, and leaves nothing behind. */
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { createServer, type AddressInfo, type Server } from "node:net"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { ffmpegWith } from "../support/media.ts"
import { freePort, processesOf, runToEnd, stopAll } from "../support/programs.ts"

let folder: string

const inFolder = (name: string) => join(folder, name)

const cutInHalf = async (whole: string, half: string) => {
  const bytes = await readFile(inFolder(whole))
  await writeFile(inFolder(half), bytes.subarray(0, Math.floor(bytes.length / 2)))
}

beforeAll(async () => {
  folder = await mkdtemp("/tmp/vlog-refuses-")
  await chmod(folder, 0o755)
  const source = "-f lavfi -i testsrc2=s=320x180:r=25:d=8 -f lavfi -i sine=d=8"
  await ffmpegWith(`${source} -c:v libx264 -preset ultrafast -c:a aac`, inFolder("whole.mp4"))
  const copy = `-i ${inFolder("whole.mp4")} -c copy`
  await ffmpegWith(`${copy} -movflags +faststart`, inFolder("faststart.mp4"))
  await ffmpegWith(copy, inFolder("whole.mkv"))
  await ffmpegWith(`${copy} -vn`, inFolder("sound.m4a"))
  await cutInHalf("whole.mp4", "half.mp4")
  await cutInHalf("faststart.mp4", "half-faststart.mp4")
  await cutInHalf("whole.mkv", "half.mkv")
  await writeFile(inFolder("text.mp4"), "This is no film.\n".repeat(500))
  await writeFile(inFolder("empty.mp4"), "")
  for (const name of ["taken", "occupied"]) await writeFile(inFolder(name), "somebody's file")
  await mkdir(inFolder("folder.mp4"))
})

afterAll(async () => {
  await stopAll()
  await rm(folder, { recursive: true, force: true })
})

interface Refused {
  readonly args: ReadonlyArray<string>
  readonly says: ReadonlyArray<RegExp>
  readonly env?: Readonly<Record<string, string>>
  /** Below `folder`; by default one that is not there. */
  readonly data?: string
  readonly port?: number
}

let runs = 0

const refuses = async ({ args, data, env, port, says }: Refused) => {
  const place = inFolder(data ?? `data-${++runs}`)
  const before = await stat(place).then(
    (found) => `${found.isDirectory()} ${found.mtimeMs}`,
    () => "nothing"
  )
  const { code, output, signal, stderr } = await runToEnd(
    "start",
    ["--once", "--data", place, "--port", String(port ?? (await freePort())), ...args],
    env
  )
  assert.strictEqual(signal, null, output)
  assert.isAbove(code ?? 0, 0, output)
  for (const text of says) assert.match(stderr, text)
  assert.match(stderr, /^error: /)
  assert.notMatch(output, /^\s+at /m)
  assert.notMatch(output, /node_modules|\[object|undefined|"_tag"|Fiber|Cause\(/)
  assert.isBelow(output.trim().split("\n").length, 3 + args.length, output)
  const after = await stat(place).then(
    (found) => `${found.isDirectory()} ${found.mtimeMs}`,
    () => "nothing"
  )
  assert.strictEqual(after, before, "the data folder")
  assert.deepStrictEqual(processesOf(place), [])
  return stderr
}

describe.concurrent("npm start refuses", { timeout: 120_000 }, () => {
  it.each([
    ["a text that is called a film", "text.mp4", [/text\.mp4: .*not a video/, /Upload an MP4, MKV/]],
    ["an empty file", "empty.mp4", [/empty\.mp4 is empty/, /copy it again/]],
    ["an MP4 cut in half, with its index at the end", "half.mp4", [/half\.mp4: .*cut short/, /whole file again/]],
    ["an MP4 cut in half, with its index in front", "half-faststart.mp4", [/cut short/, /lasts 8\.0 s/, /whole file/]],
    ["an MKV cut in half", "half.mkv", [/half\.mkv: .*cut short/, /lasts 8\.0 s/, /whole file again/]],
    ["a folder", "folder.mp4", [/folder\.mp4 is a folder/, /name the videos in it/]],
    ["a file that is not there", "missing.mp4", [/missing\.mp4: there is no such file/]],
    ["sound without pictures", "sound.m4a", [/sound\.m4a: .*no moving pictures/, /Upload/]]
  ])("%s", async (_, name, says) => {
    await refuses({ args: [inFolder(name)], says })
  })

  it("several files at once, and names each", async () => {
    const stderr = await refuses({
      args: [inFolder("text.mp4"), inFolder("whole.mp4"), inFolder("missing.mp4"), inFolder("empty.mp4")],
      says: [/text\.mp4/, /missing\.mp4/, /empty\.mp4/]
    })
    assert.strictEqual(stderr.match(/^error: /gm)?.length, 3)
    assert.notInclude(stderr, "whole.mp4")
  })

  it("a port that is taken, and says which option chooses another", async () => {
    const other = await new Promise<Server>((done) => {
      const server = createServer().listen(0, "0.0.0.0", () => done(server))
    })
    const { port } = other.address() as AddressInfo
    try {
      await refuses({
        args: [inFolder("whole.mp4")],
        port,
        says: [new RegExp(`Port ${port} is already in use`), /--port/]
      })
    } finally {
      other.close()
    }
  })

  it.each(["taken", "occupied/below"])("a data folder that cannot be: %s", async (data) => {
    await refuses({ args: [inFolder("whole.mp4")], data, says: [/data folder .* cannot be written/, /--data/] })
    assert.strictEqual(await readFile(inFolder(data.split("/")[0]!), "utf8"), "somebody's file")
  })

  it.each([
    ["with a video", ["whole.mp4"]],
    ["without one", []]
  ])("a machine without ffmpeg, %s", async (_, names) => {
    await refuses({
      args: names.map(inFolder),
      env: { PATH: inFolder("folder.mp4") },
      says: [/ffmpeg|ffprobe/, /not found on PATH/, /install/]
    })
  })

  it.each([
    ["a word that is no option", ["--onec"], "--once"],
    ["a port that there cannot be", ["--port", "99999"], "between 1 and 65535"]
  ])("%s, with the help", async (_, args, says) => {
    const data = inFolder("data-option")
    const { code, output } = await runToEnd("start", [...args, "--data", data])
    assert.isAbove(code ?? 0, 0)
    assert.include(output, says)
    assert.notMatch(output, /^\s+at /m)
    assert.notInclude(await readdir(folder), "data-option")
  })
})

it("leaves the named files as they were", async () => {
  const copy = inFolder("copy.mp4")
  await copyFile(inFolder("half.mp4"), copy)
  const before = await stat(copy)
  await refuses({ args: [copy], says: [/cut short/] })
  assert.strictEqual((await stat(copy)).mtimeMs, before.mtimeMs)
})
