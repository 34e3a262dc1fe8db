/** Manifests, images and programs agree. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Effect } from "effect"
import { execa } from "execa"
import { assert, describe, expect, it } from "vitest"
import { Db } from "../../src/adapters/postgres/Db.ts"
import { TestDatabase } from "../support/postgres.ts"
import { repository } from "../support/programs.ts"
import { environmentOf, hasProgram, programOf } from "./support/codeRules.ts"
import { baseObjects, find, readObjects, workloads } from "./support/objects.ts"

const text = (file: string) => readFileSync(join(repository, file), "utf8")

/** What a program says is missing when it is started with nothing. */
const required = async (program: string) => {
  const ended = await execa(process.execPath, [join(repository, `src/programs/${program}.ts`)], {
    extendEnv: false,
    env: { PATH: process.env["PATH"] ?? "" },
    reject: false
  })
  return [...ended.stderr.matchAll(/^ {2}- ([A-Z_]+) is not set$/gm)].map(([, name]) => name!)
}

describe.each(workloads(baseObjects()).map((workload) => [workload.id, workload] as const))("%s", (_, workload) => {
  const program = programOf(workload)!
  const settled = ["api", "worker", "cleanup"].filter(hasProgram)

  it.skipIf(!settled.includes(program))("sets every variable that its program requires", async () => {
    const names = await required(program)
    assert.isNotEmpty(names)
    assert.includeMembers(Object.keys(environmentOf(baseObjects(), workload)), names)
  })
})

it.each([
  ["components/keda/scaledobject.yaml", "ScaledObject/vlog-worker"],
  ["components/keda-scaledjob/scaledjob.yaml", "ScaledJob/vlog-worker"]
])("KEDA's question in %s is one that the database answers", async (file, id) => {
  const query = find(readObjects(file), id)["spec"].triggers[0].metadata.query as string
  const answer = await Effect.runPromise(
    Effect.gen(function* () {
      const db = yield* Db
      return yield* db.query((sql) => sql.unsafe(query))
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layerDb))
  )
  expect([...answer]).toMatchObject([{ count: 0 }])
})

describe.each(["Dockerfile.worker", "Dockerfile.worker.gpu"])("%s", (file) => {
  const dockerfile = text(file)
  const instructions = dockerfile.replaceAll("\\\n", " ").split("\n")
  const last = dockerfile.slice(dockerfile.lastIndexOf("\nFROM "))

  it("takes every base from a pinned argument", () => {
    const from = instructions.filter((line) => line.startsWith("FROM "))
    assert.lengthOf(from, 2)
    for (const line of from) {
      const name = /^FROM \$\{(\w+)\} AS \w+$/.exec(line)?.[1]
      const value = instructions.find((one) => one.startsWith(`ARG ${name}=`))
      assert.match(value ?? "", /:[\w.${}-]*\d[\w.${}-]*|:\$\{NODE_VERSION\}/, line)
      assert.notInclude(value, "latest")
    }
  })

  it("has the Node.js of package.json", () => {
    const { node } = (JSON.parse(text("package.json")) as { devDependencies: { node: string } }).devDependencies
    assert.match(dockerfile, new RegExp(`(node:|NODE_VERSION=)${node.replaceAll(".", "\\.")}(-|\n)`))
  })

  it("ends as an unprivileged user, with the program as process 1", () => {
    assert.deepStrictEqual(
      [...last.matchAll(/^USER (.+)$/gm)].map(([, user]) => user),
      ["1000:1000"]
    )
    assert.match(last, /^ENTRYPOINT \["node", "--max-semi-space-size=1", "\/app\/run\.js"\]$/m)
    assert.match(last, /^CMD \["worker"\]$/m)
    // What it makes for itself is its own; everything else is root's, and it may not change it.
    assert.isAbove(last.indexOf("\nUSER "), last.lastIndexOf("\nCOPY "))
  })

  it("has nothing but runtime files in its last stage", () => {
    assert.notMatch(last, /npm (ci|install)|COPY (?!--from=build)/)
    assert.match(last, /\bcurl\b/)
    assert.notMatch(dockerfile, /--nogpgcheck|gpgcheck=0|curl [^\n]*\| *(ba)?sh/)
  })

  it("copies what .dockerignore lets through", () => {
    const let_ = text(".dockerignore")
      .matchAll(/^!(.+)$/gm)
      .map(([, name]) => name!)
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, names]) => names!.split(" "))
    assert.deepStrictEqual([...let_].toSorted(), copied.toSorted())
  })
})

it("the GPU image has the versions that were asked for, and fails without an encoder", () => {
  const dockerfile = text("Dockerfile.worker.gpu")
  for (const line of [
    "ARG ROCKY_IMAGE=docker.io/rockylinux/rockylinux:10",
    "ARG FFMPEG_VERSION=7.1.2",
    "ARG INTEL_MEDIA_DRIVER_VERSION=25.2.6"
  ])
    assert.include(dockerfile, `${line}\n`)
  for (const codec of ["h264", "hevc", "av1"]) {
    for (const api of ["nvenc", "vaapi", "qsv"])
      assert.match(dockerfile, new RegExp(`for encoder in .*\\b${codec}_${api}\\b`))
  }
})

it("images, manifests, compose file and package name one version", () => {
  const { version } = JSON.parse(text("package.json")) as { version: string }
  for (const file of ["Dockerfile.worker", "Dockerfile.worker.gpu"])
    assert.include(text(file), `ARG VERSION=${version}\n`)
  for (const { template } of workloads(baseObjects())) {
    assert.strictEqual(template.metadata.labels["app.kubernetes.io/version"], version)
    assert.match(template.spec.containers[0].image, new RegExp(`:(rocky10|${version})$`))
  }
  assert.include(text("docker-compose.yaml"), `image: vlog-worker:${version}\n`)
})

it("the database of the dev overlay is not newer than the image's pg_dump", () => {
  const client = Number(/^ARG POSTGRES_MAJOR=(\d+)$/m.exec(text("Dockerfile.worker"))![1])
  for (const file of ["k8s/overlays/dev/postgres.yaml", "k8s/examples/postgres-cnpg.yaml", "docker-compose.yaml"]) {
    const server = Number(/(?:postgres|postgresql):(\d+)/.exec(text(file))![1])
    assert.isAtMost(server, client, file)
  }
})
