/** What manifests and programs must agree on: ports, probes and variables. */
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { repository } from "../../support/programs.ts"
import { type Any, find, idOf, isWorker, type KubeObject, type Workload, workloads } from "./objects.ts"

const source = (file: string) => {
  const path = join(repository, file.startsWith("src/") ? file : `src/programs/${file}`)
  return existsSync(path) ? readFileSync(path, "utf8") : ""
}

const folderSource = (name: string) => {
  const path = join(repository, "src/programs", name)
  return existsSync(path) ? readdirSync(path).map((file) => source(`${name}/${file}`)) : []
}

export const hasProgram = (name: string) => source(`${name}.ts`) !== ""

/** Every variable that a program's own files name. */
const variablesOf = (program: string): ReadonlySet<string> =>
  new Set(
    [
      source(`${program}.ts`),
      source(`settings/${program}.ts`),
      ...folderSource(program),
      source("launch.ts"),
      source("settings/telemetry.ts"),
      source("src/adapters/telemetry/identity.ts")
    ]
      .join("\n")
      .matchAll(/"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|LOG_LEVEL)"/g)
      .map(([, name]) => name!)
  )

/** By the exporters of OpenTelemetry, in every program. */
const readByExporters = ["OTEL_RESOURCE_ATTRIBUTES", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_TRACES_SAMPLER"].concat(
  ["TRACES", "METRICS", "LOGS"].map((signal) => `OTEL_${signal}_EXPORTER`)
)

/** Not read by our code: by Node, by ffmpeg and what it loads, by the container toolkit, by libpq, by PostgreSQL's image. */
const readByOthers: Record<string, ReadonlyArray<string>> = {
  worker: ["TMPDIR", "HOME", "XDG_CACHE_HOME", "CUDA_CACHE_PATH", "NVIDIA_DRIVER_CAPABILITIES", "LIBVA_DRIVER_NAME"],
  api: ["TMPDIR", "HOME"],
  cleanup: ["TMPDIR", "HOME"],
  backup: "TMPDIR HOME PGHOST PGPORT PGDATABASE PGUSER PGPASSWORD AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY".split(" ")
}

export const programOf = ({ template }: Workload): string | undefined => template.spec.containers[0].args?.[0]

export const environmentOf = (objects: ReadonlyArray<KubeObject>, { template }: Workload): Record<string, string> => {
  const container = template.spec.containers[0]
  const fromMaps = (container.envFrom ?? []).map(
    (from: Any) => find(objects, `ConfigMap/${from.configMapRef.name}`)["data"] as Record<string, string>
  )
  const own = (container.env ?? []).map(({ name, value }: Any) => [name, value ?? "a secret of this cluster"])
  return Object.assign({}, ...fromMaps, Object.fromEntries(own))
}

const probes = {
  livenessProbe: { path: "/health", initialDelaySeconds: 10, periodSeconds: 30, failureThreshold: 3 },
  readinessProbe: { path: "/ready", initialDelaySeconds: 5, periodSeconds: 10, failureThreshold: 3 }
} as const

const workerProblems = (objects: ReadonlyArray<KubeObject>, workload: Workload): ReadonlyArray<string> => {
  const container = workload.template.spec.containers[0]
  const port = container.ports?.find((one: Any) => one.name === "health")?.containerPort
  const set = environmentOf(objects, workload)["VLOG_WORKER_HEALTH_PORT"]
  return [
    ...(String(port) === set ? [] : [`port health is ${port}, VLOG_WORKER_HEALTH_PORT ${set}`]),
    ...Object.entries(probes).flatMap(([name, { path, ...numbers }]) => {
      const probe = container[name] ?? {}
      return [
        ...(probe.httpGet?.path === path ? [] : [`${name} does not ask ${path}`]),
        ...Object.entries(numbers)
          .filter(([field, number]) => probe[field] !== number)
          .map(([field, number]) => `${name}: ${field} is not ${number}`)
      ]
    }),
    ...((workload.template.spec.containers[0].volumeMounts ?? []).some(
      (mount: Any) => mount.mountPath === environmentOf(objects, workload)["VLOG_WORKER_WORK_DIR"]
    )
      ? []
      : ["VLOG_WORKER_WORK_DIR is not a volume"])
  ]
}

const variableProblems = (objects: ReadonlyArray<KubeObject>, workload: Workload): ReadonlyArray<string> => {
  const program = programOf(workload)
  if (program === undefined) return workload.id === "StatefulSet/vlog-postgres" ? [] : ["names no program"]
  if (!(program in readByOthers)) return [`there is no program ${program}`]
  if (!hasProgram(program)) return []
  const known = new Set([...variablesOf(program), ...readByOthers[program]!, ...readByExporters])
  return Object.keys(environmentOf(objects, workload))
    .filter((name) => !known.has(name))
    .map((name) => `${program} does not read ${name}`)
}

export const codeProblems = (objects: ReadonlyArray<KubeObject>): ReadonlyArray<string> => [
  ...workloads(objects).flatMap((workload) =>
    [...(isWorker(workload) ? workerProblems(objects, workload) : []), ...variableProblems(objects, workload)].map(
      (problem) => `${workload.id}: ${problem}`
    )
  ),
  ...workloads(objects)
    .filter((workload) => programOf(workload) === "api")
    .filter((workload) => {
      const port = workload.template.spec.containers[0].ports?.find((one: Any) => one.name === "http")?.containerPort
      return String(port) !== environmentOf(objects, workload)["VLOG_WORKER_API_PORT"]
    })
    .map(({ object }) => `${idOf(object)}: port http is not VLOG_WORKER_API_PORT`)
]
