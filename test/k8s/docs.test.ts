/** What the documents tell people to type fits what is there. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "vitest"
import { repository } from "../support/programs.ts"
import { type Any, baseObjects, components, objectFiles, readObjects, selects, workloads } from "./support/objects.ts"

const readme = readFileSync(join(repository, "k8s/README.md"), "utf8")

/** Commands of the code blocks and between backticks, each on one line. */
const commands = [...readme.replaceAll("\\\n", " ").matchAll(/(?:^|[`|]\s*)(kubectl [^`\n]*)/gm)].map(([, line]) =>
  line!.replace(/\s+#.*$/, "").trim()
)

const everything = objectFiles.flatMap(readObjects)
const kinds: Record<string, string> = {
  deployment: "Deployment",
  cronjob: "CronJob",
  service: "Service",
  secret: "Secret"
}
const exists = (kind: string, name: string) =>
  everything.some((object) => object.kind === kinds[kind] && object.metadata.name === name)

const labelsOfPods = workloads(baseObjects()).map(({ template }) => template.metadata.labels)
const secretsInUse = new Set(
  JSON.stringify(everything).match(/"secretKeyRef":\{"name":"[^"]+"|"name":"vlog-keda-database"/g)
)

it("there are commands to look at", () => {
  assert.isAbove(commands.length, 25)
})

it.each(commands)("%s", (command) => {
  for (const [, file] of command.matchAll(/ -[fk] (\S+)/g)) {
    if (file !== "-") assert.isTrue(existsSync(join(repository, file!)), `there is no ${file}`)
  }
  for (const [, name] of command.matchAll(/(?: -n| --namespace)[ =](\S+)/g)) assert.strictEqual(name, "vlog")
  for (const [, kind, name] of command.matchAll(/\b(deployment|cronjob|service)[ /]([a-z][a-z-]+)/g)) {
    assert.isTrue(exists(kind!, name!), `there is no ${kind} ${name}`)
  }
  for (const [, name] of command.matchAll(/create secret generic (\S+)/g)) {
    assert.isTrue(
      [...secretsInUse].some((reference) => reference.endsWith(`"${name}"`)),
      `nothing reads the Secret ${name}`
    )
  }
  for (const [, key, value] of command.matchAll(/ -l ([\w./]+)=(\S+)/g)) {
    assert.isTrue(
      labelsOfPods.some((labels) => selects({ matchLabels: { [key!]: value! } }, labels)),
      `no pod has ${key}=${value}`
    )
  }
  const image = / set image deployment\/(\S+) .*? ([a-z-]+)=(\S+)/.exec(command)
  if (image !== null) {
    const target = everything.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === image[1])
    const container = target!["spec"].template.spec.containers.find((one: Any) => one.name === image[2])
    assert.strictEqual(container?.image, image[3])
  }
})

it("every component is described, and nothing else", () => {
  const table = readme.slice(readme.indexOf("| component |"), readme.indexOf("A component goes into"))
  const described = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, names]) =>
    [...names!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
  )
  assert.deepStrictEqual(described.toSorted(), components)
})

it("links lead somewhere", () => {
  for (const [, target] of readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
    assert.isTrue(existsSync(join(repository, "k8s", target!)), target)
  }
  for (const [, anchor] of readme.matchAll(/\]\(#([^)]+)\)/g)) {
    const headings = [...readme.matchAll(/^#+ (.+)$/gm)].map(([, text]) => text!.toLowerCase().replaceAll(" ", "-"))
    assert.include(headings, anchor)
  }
  for (const [, file] of readme.matchAll(/`((?:examples|overlays|\.github)\/[^`]+)`/g)) {
    const inside = file!.startsWith(".github") ? file! : join("k8s", file!)
    assert.isTrue(existsSync(join(repository, inside)), file)
  }
})
