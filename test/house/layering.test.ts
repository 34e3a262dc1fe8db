import { execa } from "execa"
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** One small file in this folder. */
interface Case {
  readonly folder: string
  readonly code: string
}

const importing = (folder: string, specifier: string): Case => ({
  folder,
  code: `import { x } from "${specifier}"\nx()\n`
})

const legal: ReadonlyArray<Case> = [
  importing("src/domain", "effect"),
  importing("src/domain/media", "effect/Effect"),
  importing("src/domain/media", "./Ladder.ts"),
  importing("src/domain/media", "../ids.ts"),
  importing("src/domain/jobs", "../programs/Claim.ts"),
  importing("src/adapters/ffmpeg", "../../domain/media/Source.ts"),
  importing("src/adapters/ffmpeg", "../process/Subprocess.ts"),
  importing("src/adapters/ffmpeg", "../telemetry/Metrics.ts"),
  importing("src/adapters/ffmpeg", "./backends/index.ts"),
  importing("src/adapters/ffmpeg", "effect/process"),
  importing("src/adapters/ffmpeg", "node:fs"),
  importing("src/adapters/ffmpeg/backends", "../Arguments.ts"),
  importing("src/adapters/ffmpeg/backends", "../../process/Subprocess.ts"),
  importing("src/adapters/ffmpeg/backends", "../../../domain/media/Encoder.ts"),
  importing("src/adapters/process", "execa"),
  importing("src/adapters/postgres", "postgres"),
  importing("src/adapters/postgres/migrations", "postgres"),
  importing("src/programs", "../adapters/ffmpeg/Probe.ts"),
  importing("src/programs", "../domain/media/Source.ts"),
  { folder: "src/programs", code: "console.log(1)\n" }
]

const illegal: ReadonlyArray<Case> = [
  importing("src/domain", "node:crypto"),
  importing("src/domain", "./../adapters/ffmpeg/Probe.ts"),
  importing("src/domain/media", "node:fs"),
  importing("src/domain/media", "fs"),
  importing("src/domain/media", "execa"),
  importing("src/domain/media", "postgres"),
  importing("src/domain/media", "mp4box"),
  importing("src/domain/media", "@effect/platform-node/NodeRuntime"),
  importing("src/domain/media", "effect/http"),
  importing("src/domain/media", "effect/sql"),
  importing("src/domain/media", "effect/process"),
  importing("src/domain/media", "effect/cli"),
  importing("src/domain/media", "effect/observability"),
  importing("src/domain/media", "effect/unstable/http"),
  importing("src/domain/media", "effect/FileSystem"),
  importing("src/domain/media", "../../adapters/ffmpeg/Probe.ts"),
  importing("src/domain/media", "../../programs/worker.ts"),
  importing("src/domain/media/deep", "./Other.ts"),
  { folder: "src/domain/media", code: 'import { FileSystem } from "effect"\nFileSystem()\n' },
  { folder: "src/domain/media", code: 'import type { Sql } from "postgres"\nexport type X = Sql\n' },
  { folder: "src/domain/media", code: 'export { x } from "../../adapters/ffmpeg/Probe.ts"\n' },
  { folder: "src/domain/media", code: 'export const x = import("node:fs")\n' },
  { folder: "src/domain/media", code: "console.log(1)\n" },
  { folder: "src/domain/media", code: "export default 1\n" },
  importing("src/adapters/ffmpeg", "../../programs/worker.ts"),
  importing("src/adapters/ffmpeg", "../postgres/Db.ts"),
  importing("src/adapters/ffmpeg", "node:child_process"),
  importing("src/adapters/ffmpeg", "execa"),
  importing("src/adapters/ffmpeg", "postgres"),
  importing("src/adapters/ffmpeg/backends", "../../storage/Files.ts"),
  importing("src/adapters/ffmpeg/backends", "../../../programs/worker.ts"),
  importing("src/adapters/ffmpeg/backends", "execa"),
  importing("src/adapters/ffmpeg/backends/deep", "./Other.ts"),
  ...["mp4", "storage", "worker-api", "web", "http", "ops", "telemetry", "process", "postgres"].map((folder) =>
    importing(`src/adapters/${folder}`, "../ffmpeg/Probe.ts")
  ),
  importing("src/adapters/process", "postgres"),
  importing("src/adapters/postgres", "execa"),
  importing("src/adapters/postgres/migrations", "../../storage/Files.ts"),
  { folder: "src/adapters/ffmpeg", code: "console.log(1)\n" },
  { folder: "src/adapters/ffmpeg", code: "export default 1\n" },
  importing("src/programs", "execa"),
  importing("src/programs", "node:child_process"),
  importing("src/programs", "postgres")
]

const oxlint = join(root, "node_modules/.bin/oxlint")
let scratch: string

/** Lints each case as a file of its own in a copy of the layout, and answers with those that were refused. */
const refused = async (cases: ReadonlyArray<Case>): Promise<ReadonlyArray<Case>> => {
  const base = await mkdtemp(join(scratch, "tree-"))
  await copyFile(join(root, ".oxlintrc.json"), join(base, ".oxlintrc.json"))
  const files = await Promise.all(
    cases.map(async ({ folder, code }, index) => {
      const file = join(folder, `case${index}.ts`)
      await mkdir(join(base, folder), { recursive: true })
      await writeFile(join(base, file), code)
      return file
    })
  )
  const lint = await execa(oxlint, ["--format", "json"], { cwd: base, reject: false })
  const report = JSON.parse(lint.stdout) as { diagnostics: ReadonlyArray<{ filename: string }> }
  const named = new Set(report.diagnostics.map(({ filename }) => filename))
  return cases.filter((_, index) => named.has(String(files[index])))
}

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "vlog-layering-"))
})

afterAll(() => rm(scratch, { recursive: true, force: true }))

describe("the layering rules", () => {
  it("accept each allowed import", async () => {
    assert.deepStrictEqual(await refused(legal), [])
  })

  it("refuse each forbidden one", async () => {
    assert.deepStrictEqual(await refused(illegal), illegal)
  })

  it("refuse an import cycle", async () => {
    const base = await mkdtemp(join(scratch, "cycle-"))
    await copyFile(join(root, ".oxlintrc.json"), join(base, ".oxlintrc.json"))
    await writeFile(join(base, "A.ts"), 'import { b } from "./B.ts"\nexport const a = () => b()\n')
    await writeFile(join(base, "B.ts"), 'import { a } from "./A.ts"\nexport const b = () => a()\n')
    const lint = await execa(oxlint, [], { cwd: base, reject: false })
    assert.strictEqual(lint.exitCode, 1)
    assert.include(lint.stdout, "import(no-cycle)")
  })
})
