/** The manifests as objects: from one file, or put together by kubectl where there is one. */
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import { parseAllDocuments } from "yaml"
import { repository } from "../../support/programs.ts"

/** What every object has, and the rest as it was written. */
export type Any = any
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly generateName?: string
    readonly namespace?: string
    readonly labels?: Record<string, string>
    readonly annotations?: Record<string, string>
  }
  readonly [key: string]: Any
}

export const folder = join(repository, "k8s")

const parse = (text: string): ReadonlyArray<KubeObject> =>
  parseAllDocuments(text, { strict: true, uniqueKeys: true }).map((document) => {
    if (document.errors.length > 0) throw document.errors[0]!
    return document.toJS() as KubeObject
  })

export const readObjects = (file: string) => parse(readFileSync(join(folder, file), "utf8"))

const yamlBelow = (path: string): ReadonlyArray<string> =>
  readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".yaml"))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted()

/** Every file, each once: the names in k8s/ itself are links. */
export const allFiles = yamlBelow(folder)

/** Those of them that hold objects for a cluster. */
export const objectFiles = allFiles.filter(
  (file) =>
    !file.endsWith("kustomization.yaml") && !file.endsWith(".test.yaml") && file !== "examples/prometheus-scrape.yaml"
)

const baseFiles = objectFiles.filter((file) => dirname(file) === "base")
export const components = readdirSync(join(folder, "components")).toSorted()
export const overlays = readdirSync(join(folder, "overlays")).toSorted()

/** What all files of the base say, without kubectl. */
export const baseObjects = () => baseFiles.flatMap(readObjects)

export const hasKubectl = (() => {
  try {
    execFileSync("kubectl", ["kustomize", "--help"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
})()

/** `kubectl kustomize` needs no cluster. */
export const render = (path: string): ReadonlyArray<KubeObject> =>
  parse(execFileSync("kubectl", ["kustomize", path], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }))

/** The base with these components. */
export const renderWith = (...names: ReadonlyArray<string>): ReadonlyArray<KubeObject> => {
  const parent = join(repository, "tmp")
  mkdirSync(parent, { recursive: true })
  const place = mkdtempSync(join(parent, "kustomize-"))
  try {
    const text = `resources: [../../k8s/base]\ncomponents: ${JSON.stringify(names.map((name) => `../../k8s/components/${name}`))}\n`
    writeFileSync(join(place, "kustomization.yaml"), text)
    return render(place)
  } finally {
    rmSync(place, { recursive: true })
  }
}

export interface Workload {
  readonly id: string
  readonly object: KubeObject
  /** The pod's template: metadata and spec. */
  readonly template: Any
}

const templateOf = (object: KubeObject): Any => {
  if (object.kind === "CronJob") return object["spec"].jobTemplate.spec.template
  if (object.kind === "ScaledJob") return object["spec"].jobTargetRef.template
  return ["Deployment", "StatefulSet", "Job"].includes(object.kind) ? object["spec"].template : undefined
}

export const workloads = (objects: ReadonlyArray<KubeObject>): ReadonlyArray<Workload> =>
  objects.flatMap((object) => {
    const template = templateOf(object)
    return template === undefined ? [] : [{ id: idOf(object), object, template }]
  })

export const idOf = (object: KubeObject) => `${object.kind}/${object.metadata.name ?? object.metadata.generateName}`

export const find = (objects: ReadonlyArray<KubeObject>, id: string): KubeObject => {
  const found = objects.find((object) => idOf(object) === id)
  if (found === undefined) throw new Error(`there is no ${id}`)
  return found
}

export const isWorker = ({ template }: Workload) => template.metadata.labels["app.kubernetes.io/component"] === "worker"

export const isApi = ({ template }: Workload) =>
  template.metadata.labels["app.kubernetes.io/component"] === "worker-api"

interface Selector {
  readonly matchLabels?: Record<string, string>
  readonly matchExpressions?: ReadonlyArray<{
    readonly key: string
    readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist"
    readonly values?: ReadonlyArray<string>
  }>
}

/** As Kubernetes does it: an empty selector selects everything. */
export const selects = (selector: Selector, labels: Record<string, string> = {}): boolean =>
  Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value) &&
  (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key]
    switch (operator) {
      case "In":
        return value !== undefined && values.includes(value)
      case "NotIn":
        return value === undefined || !values.includes(value)
      case "Exists":
        return value !== undefined
      case "DoesNotExist":
        return value === undefined
    }
  })
