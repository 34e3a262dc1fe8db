/**
 * The requirements of the deployment, one by one, each with what can be seen of it without a cluster. The numbers are
 * those of the list that the deployment was specified by.
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { isDeepStrictEqual } from "node:util"
import { repository } from "../../support/programs.ts"
import { environmentOf, hasProgram } from "./codeRules.ts"
import { documentedAlerts, rules } from "./monitoring.ts"
import { type Any, baseObjects, components, find, objectFiles, readObjects, workloads } from "./objects.ts"
import { together } from "./rules.ts"

/** Yes, or what is not so. `later`: not to be seen here, and why. */
type Check = () => boolean | string | { readonly later: string }
type Line = readonly [number: string, requirement: string, check: Check]

const text = (file: string) => (existsSync(join(repository, file)) ? readFileSync(join(repository, file), "utf8") : "")
const base = baseObjects()
const worker = find(base, "Deployment/vlog-worker")
const nvidia = find(base, "Deployment/vlog-worker-nvidia")
const intel = find(base, "Deployment/vlog-worker-intel")
const workers = [worker, nvidia, intel]
const backup = find(base, "CronJob/postgres-backup")
const cleanup = find(base, "CronJob/vlog-cleanup")
const spec = (object: Any) => (object.kind === "CronJob" ? object.spec.jobTemplate.spec : object.spec).template.spec
const container = (object: Any) => spec(object).containers[0]
const config = find(base, "ConfigMap/vlog-worker-config")["data"]
const policies = base.filter(({ kind }) => kind === "NetworkPolicy")
const readme = text("k8s/README.md")

const cluster: Check = () => ({ later: "needs a cluster" })
const gpu: Check = () => ({ later: "needs the image and a GPU" })
const elsewhere =
  (where: string): Check =>
  () => ({ later: `see ${where}` })
const there = (file: string) => () => existsSync(join(repository, file)) || `${file} is missing`
const has = (file: string, what: RegExp) => () => what.test(text(file)) || `${file} lacks ${what}`
const says = (what: RegExp) => has("k8s/README.md", what)
const each =
  (test: (deployment: Any) => boolean): Check =>
  () =>
    workers.every(test) ||
    workers
      .filter((one) => !test(one))
      .map((one) => one.metadata.name)
      .join()
const problems = (pattern: RegExp): Check => {
  return () => {
    const told = together(base).filter((problem) => pattern.test(problem))
    return told.length === 0 || told.join("; ")
  }
}
const program =
  (name: string): Check =>
  () =>
    hasProgram(name) || { later: `src/programs/${name}.ts is not here yet` }
const reads = (object: Any, name: string) =>
  (container(object).env ?? []).flatMap((one: Any) =>
    one.valueFrom?.secretKeyRef?.name === name ? [one.valueFrom.secretKeyRef.key as string] : []
  )

const checklist: ReadonlyArray<Line> = [
  ["1", "manifests for workers", there("k8s/worker-deployment.yaml")],
  ["2", "GPU image on Rocky Linux 10", has("Dockerfile.worker.gpu", /^ARG ROCKY_IMAGE=.*rockylinux:10/m)],
  ["3", "FFmpeg 7.1.2 of RPM Fusion", has("Dockerfile.worker.gpu", /rpmfusion[\s\S]*ffmpeg-\$\{FFMPEG_VERSION\}/)],
  ["4", "with nvenc, vaapi and qsv", has("Dockerfile.worker.gpu", /av1_nvenc av1_vaapi av1_qsv/)],
  ["5", "intel-media-driver 25.2.6", has("Dockerfile.worker.gpu", /INTEL_MEDIA_DRIVER_VERSION=25\.2\.6/)],
  ["6", "a pinned Node.js", has("Dockerfile.worker.gpu", /NODE_VERSION=\d+\.\d+\.\d+/)],
  ["7", "tag rocky10", () => container(nvidia).image.endsWith("vlog-worker-gpu:rocky10")],
  ["8", "latest is never deployed", problems(/is not pinned/)],
  ["9-11", "prerequisites are told", says(/you need[\s\S]*registry/)],
  ["12", "Dockerfile.worker", there("Dockerfile.worker")],
  ["13", "push of the image", says(/docker push/)],
  ["14", "registration without secret is refused", elsewhere("test/e2e")],
  ["15", "namespace vlog", () => find(base, "Namespace/vlog").kind === "Namespace"],
  ["16", "VLOG_WORKER_API_URL in the ConfigMap", () => /^http.*:9002$/.test(config.VLOG_WORKER_API_URL)],
  [
    "17",
    "Secret vlog-worker-credentials",
    each((one) => reads(one, "vlog-worker-credentials").join() === "VLOG_WORKER_API_KEY")
  ],
  ["18", "Deployment vlog-worker", () => worker.kind === "Deployment"],
  ["19-21", "each file by itself in namespace vlog", problems(/is not in namespace/)],
  ...[
    ["22", "namespace"],
    ["23", "configmap"],
    ["24", "worker-deployment"],
    ["25", "worker-deployment-nvidia"],
    ["26", "worker-deployment-intel"],
    ["27", "worker-hpa"],
    ["28", "worker-pdb"],
    ["29", "worker-pdb-nvidia"],
    ["30", "worker-pdb-intel"]
  ].map(([number, name]): Line => [number!, `${name}.yaml`, there(`k8s/${name}.yaml`)]),
  ["31", "cleanup takes stale jobs back", () => container(cleanup).args[0] === "cleanup"],
  ["31b", "its program", program("cleanup")],
  ["32", "networkpolicy.yaml", there("k8s/networkpolicy.yaml")],
  ["33", "backup-cronjob.yaml", there("k8s/backup-cronjob.yaml")],
  ["34", "budgets guard in drains", cluster],
  ["35", "every worker has one that leaves room", problems(/PodDisruptionBudget|drain/)],
  ["36-37", "in namespace vlog", () => readObjects("worker-pdb.yaml")[0]!.metadata.namespace === "vlog"],
  ["38", "involuntary disruptions are told", says(/involuntary/)],
  ["39", "minAvailable: 1 needs two", () => find(base, "HorizontalPodAutoscaler/vlog-worker")["spec"].minReplicas >= 2],
  [
    "40-43",
    "other budgets, and Recreate for GPUs",
    () => [nvidia, intel].every((one) => one["spec"].strategy.type === "Recreate") && /minAvailable: 50%/.test(readme)
  ],
  ["44-48", "network: what is needed and no more", elsewhere("test/k8s/network.test.ts")],
  ["49-50", "which plugins enforce it", says(/Calico, Cilium[\s\S]*k3s has/)],
  ["51-52", "an API elsewhere", () => components.includes("external-worker-api")],
  [
    "53-54",
    "the API's labels",
    () =>
      isDeepStrictEqual(find(policies, "NetworkPolicy/vlog-worker")["spec"].egress[0].to[0].podSelector.matchLabels, {
        "app.kubernetes.io/name": "vlog",
        "app.kubernetes.io/component": "worker-api"
      })
  ],
  ["55", "kubectl get networkpolicy", says(/kubectl get networkpolicy --namespace vlog/)],
  ["56", "Redis is opt-in", () => components.includes("redis")],
  ["57", "no Secret in a file", () => !objectFiles.flatMap(readObjects).some(({ kind }) => kind === "Secret")],
  ["58", "vlog worker register", () => hasProgram("vlog") || { later: "the command line is not written yet" }],
  ["59-60", "registration over HTTP", elsewhere("test/e2e/bundle.test.ts")],
  ["61", "change of a Secret", says(/--dry-run=client -o yaml \| kubectl apply -f -[\s\S]*rollout restart/)],
  ["62", "managed secrets", there("k8s/examples/external-secret.yaml")],
  [
    "63-65",
    "NVIDIA: operator, node label, RuntimeClass",
    () => spec(nvidia).nodeSelector["nvidia.com/gpu.present"] === "true" && /GPU Operator/.test(readme)
  ],
  ["66-67", "GPU image, and k3s without a registry", says(/docker save your-registry\/vlog-worker-gpu:rocky10 \|/)],
  ["68", "apply of the NVIDIA files", says(/kubectl apply -f k8s\/worker-deployment-nvidia\.yaml/)],
  ["69", "runtimeClassName nvidia", () => spec(nvidia).runtimeClassName === "nvidia"],
  ["70-74", "encoders by trying", gpu],
  ["75", "one GPU", () => container(nvidia).resources.limits["nvidia.com/gpu"] === 1],
  [
    "76-79",
    "Intel: plugin, node label, drivers",
    () => spec(intel).nodeSelector["intel.feature.node.kubernetes.io/gpu"] === "true" && /device plugin/.test(readme)
  ],
  ["80-82", "VA-API encoders", gpu],
  ["83", "an Intel GPU is claimed", () => container(intel).resources.limits["gpu.intel.com/xe"] === 1],
  [
    "84",
    "kubectl scale deployment vlog-worker",
    says(/kubectl scale deployment vlog-worker --namespace vlog --replicas=5/)
  ],
  [
    "85-86",
    "autoscaler of the CPU workers",
    () =>
      find(base, "HorizontalPodAutoscaler/vlog-worker")["spec"].scaleTargetRef.name === "vlog-worker" &&
      /metrics-server/.test(readme)
  ],
  ["87-91", "health server", elsewhere("the worker's tests")],
  ["92", 'VLOG_WORKER_HEALTH_PORT "8080"', () => config.VLOG_WORKER_HEALTH_PORT === "8080"],
  ["93-95", "probes and their numbers", problems(/Probe/)],
  ["96-99", "what /ready looks at", elsewhere("the worker's tests")],
  [
    "100-101",
    "pods by namespace and component",
    each((one) => one.spec.template.metadata.labels["app.kubernetes.io/component"] === "worker")
  ],
  ["102", "/api/workers with the secret", elsewhere("the API's tests")],
  ["103", "curl in both images", () => ["", ".gpu"].every((end) => /\bcurl\b/.test(text(`Dockerfile.worker${end}`)))],
  [
    "104-107",
    "sizes",
    () =>
      container(worker).resources.limits.cpu === "2" &&
      container(worker).resources.limits.memory === "4Gi" &&
      components.includes("profile-720p") &&
      components.includes("profile-4k")
  ],
  [
    "108",
    "GPU worker: 1-2 CPU, 4 GiB",
    () =>
      [nvidia, intel].every(
        (one) => container(one).resources.limits.cpu === "2" && container(one).resources.limits.memory === "4Gi"
      )
  ],
  ["109", "no claim of speed that was not measured", () => !/\d+ ?x faster/.test(readme)],
  [
    "110-111",
    "work folder is an emptyDir of 10 GiB",
    each((one) => spec(one).volumes.some((volume: Any) => volume.emptyDir?.sizeLimit === "10Gi"))
  ],
  ["112", "CronJob postgres-backup", () => container(backup).args[0] === "backup"],
  ["112b", "its program", program("backup")],
  [
    "113-114",
    "Secret postgres-backup-credentials",
    () => reads(backup, "postgres-backup-credentials").join() === "PGHOST,PGPORT,PGDATABASE,PGUSER,PGPASSWORD"
  ],
  ["115-116", "at 02:00 UTC", () => backup["spec"].schedule === "0 2 * * *" && backup["spec"].timeZone === "Etc/UTC"],
  ["117", "kept for 7 days", () => environmentOf(base, workloads([backup])[0]!)["BACKUP_RETENTION_DAYS"] === "7"],
  ["118", "format of the dump", elsewhere("the backup's tests")],
  ["119", "on a NAS", has("k8s/components/backup-nas/nfs-volume.yaml", /path: \/mnt\/nas\/vlog-storage\/backups/)],
  ["120-121", "verification", elsewhere("the backup's tests")],
  ["122-124", "by hand, and found by component=backup", problems(/component: backup/)],
  ["125-126", "names of the files", elsewhere("the backup's tests")],
  ["127", "restore into a new database", there("k8s/examples/restore-job.yaml")],
  [
    "128-129",
    "security context of every container and pod",
    problems(/container .*(root|privileges|capabilities|seccomp|runAs)|fsGroup/)
  ],
  ["130", "pinned images", problems(/is not pinned/)],
  ["131", "IfNotPresent", problems(/imagePullPolicy/)],
  ["132", "stages; only what runs in the last", elsewhere("test/k8s/code.test.ts")],
  ["133", "egress", elsewhere("test/k8s/network.test.ts")],
  ["134", "Trivy", has(".github/workflows/images.yml", /trivy-action/)],
  ["135", "npm audit", has(".github/workflows/security.yml", /npm audit --audit-level=high/)],
  ["136", "CodeQL", has(".github/workflows/security.yml", /codeql-action\/analyze/)],
  ["137", "no permission in the cluster", problems(/token of the cluster|permissions/)],
  ["138", "limits for all", problems(/no (limits|requests) of/)],
  ["138b-c", "audit log, managed secrets", says(/Sealed Secrets[\s\S]*audit log/)],
  ["139", "metrics", elsewhere("test/e2e/metrics.test.ts")],
  ["140-142", "PodMonitor vlog-workers", () => readObjects("podmonitor.yaml")[0]!.metadata.name === "vlog-workers"],
  [
    "143",
    "scraping without the Operator",
    has("k8s/examples/prometheus-scrape.yaml", /regex: vlog-worker[\s\S]*regex: health/)
  ],
  ["144", "MONITORING.md", () => documentedAlerts.length > 0 && documentedAlerts.length === rules.length]
]

export const results = () =>
  checklist.map(([number, requirement, check]) => {
    const result = check()
    const outcome =
      result === true ? "pass" : typeof result === "object" ? `not here: ${result.later}` : `FAIL: ${result || "no"}`
    return { number, requirement, outcome }
  })
