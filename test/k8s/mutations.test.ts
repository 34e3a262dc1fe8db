/** The checks see what they are there for: each of these mistakes, made in files that are right, is told. */
import { assert, it } from "vitest"
import { type Any, baseObjects, find, type KubeObject, readObjects } from "./support/objects.ts"
import { together } from "./support/rules.ts"

type Mutation = readonly [what: string, id: string, mutate: (object: Any) => void, told: RegExp]

const pod = (object: Any) => (object.kind === "CronJob" ? object.spec.jobTemplate.spec : object.spec).template
const container = (object: Any) => pod(object).spec.containers[0]

const worker = "Deployment/vlog-worker"
const nvidia = "Deployment/vlog-worker-nvidia"
const intel = "Deployment/vlog-worker-intel"
const api = "Deployment/vlog-worker-api"
const cleanup = "CronJob/vlog-cleanup"
const backup = "CronJob/postgres-backup"

const mutations: ReadonlyArray<Mutation> = [
  ["a misspelt field", worker, (o) => (container(o).livenesProbe = {}), /livenesProbe: V1Container has no such field/],
  ["a number in quotes", worker, (o) => (o.spec.replicas = "2"), /replicas: expected number/],
  ["a name without its image", worker, (o) => delete container(o).name, /name/],
  ["a dump's status", intel, (o) => (o.status = {}), /status is written by the server/],
  ["a dump's uid", intel, (o) => (o.metadata.uid = "x"), /uid is written by the server/],
  ["another namespace", worker, (o) => (o.metadata.namespace = "default"), /is not in namespace vlog/],
  ["a secret in a file", "Service/vlog-worker-api", (o) => (o.kind = "Secret"), /secrets do not belong in files/],
  [
    "a label that the selector does not know",
    worker,
    (o) => (pod(o).metadata.labels["vlog.dev/accelerator"] = "amd"),
    /are matched by nothing/
  ],
  [
    "a selector that also matches GPU workers",
    worker,
    (o) => delete o.spec.selector.matchLabels["vlog.dev/accelerator"],
    /are matched by Deployment\/vlog-worker(-intel|-nvidia)? and/
  ],
  [
    "a budget that also matches GPU workers",
    "PodDisruptionBudget/vlog-worker",
    (o) => delete o.spec.selector.matchLabels["vlog.dev/accelerator"],
    /matched by 2 PodDisruptionBudgets/
  ],
  [
    "a budget for nobody",
    "PodDisruptionBudget/vlog-worker-intel",
    (o) => (o.spec.selector.matchLabels["vlog.dev/accelerator"] = "arc"),
    /matched by 0 PodDisruptionBudgets/
  ],
  [
    "a budget that blocks the only GPU worker",
    "PodDisruptionBudget/vlog-worker-nvidia",
    (o) => {
      delete o.spec.maxUnavailable
      o.spec.minAvailable = 1
    },
    /blocks every drain/
  ],
  ["a budget of nought", "PodDisruptionBudget/vlog-worker", (o) => (o.spec.maxUnavailable = 0), /blocks every drain/],
  [
    "a floor of one under minAvailable",
    "PodDisruptionBudget/vlog-worker",
    (o) => {
      delete o.spec.maxUnavailable
      o.spec.minAvailable = 2
    },
    /blocks every drain/
  ],
  [
    "half of two is one",
    "PodDisruptionBudget/vlog-worker",
    (o) => {
      delete o.spec.maxUnavailable
      o.spec.minAvailable = "51%"
    },
    /blocks every drain/
  ],
  [
    "pods that are not ready block",
    "PodDisruptionBudget/vlog-worker",
    (o) => delete o.spec.unhealthyPodEvictionPolicy,
    /not ready blocks a drain/
  ],
  ["another port", worker, (o) => (container(o).ports[0].containerPort = 8081), /port health is 8081/],
  [
    "another port in the ConfigMap",
    "ConfigMap/vlog-worker-config",
    (o) => (o.data.VLOG_WORKER_HEALTH_PORT = "9090"),
    /VLOG_WORKER_HEALTH_PORT 9090/
  ],
  [
    "a port without its name",
    nvidia,
    (o) => (container(o).ports[0].name = "metrics"),
    /asks port health, which it does not have/
  ],
  [
    "another path of a probe",
    worker,
    (o) => (container(o).livenessProbe.httpGet.path = "/healthz"),
    /does not ask \/health/
  ],
  [
    "another period of a probe",
    intel,
    (o) => (container(o).readinessProbe.periodSeconds = 15),
    /periodSeconds is not 10/
  ],
  ["a probe of one second", api, (o) => delete container(o).livenessProbe.timeoutSeconds, /waits a second only/],
  ["no limit of memory", worker, (o) => delete container(o).resources.limits.memory, /no limits of memory/],
  ["no limit of CPU", cleanup, (o) => delete container(o).resources.limits.cpu, /no limits of cpu/],
  [
    "a work folder larger than the limit",
    worker,
    (o) => (pod(o).spec.volumes[0].emptyDir.sizeLimit = "50Gi"),
    /emptyDirs are larger/
  ],
  ["a work folder without a limit", worker, (o) => (pod(o).spec.volumes[0].emptyDir = {}), /has no limit/],
  [
    "a work folder that is not mounted",
    worker,
    (o) => container(o).volumeMounts.shift(),
    /VLOG_WORKER_WORK_DIR is not a volume/
  ],
  [
    "an extra capability",
    worker,
    (o) => (container(o).securityContext.capabilities.add = ["SYS_ADMIN"]),
    /adds capabilities/
  ],
  ["all capabilities", backup, (o) => delete container(o).securityContext.capabilities, /keeps capabilities/],
  ["root", api, (o) => (container(o).securityContext.runAsUser = 0), /runs as root/],
  ["a privileged container", intel, (o) => (container(o).securityContext.privileged = true), /is privileged/],
  [
    "more privileges later",
    intel,
    (o) => (container(o).securityContext.allowPrivilegeEscalation = true),
    /may gain privileges/
  ],
  [
    "a writable root",
    worker,
    (o) => (container(o).securityContext.readOnlyRootFilesystem = false),
    /readOnlyRootFilesystem is not true/
  ],
  [
    "no seccomp profile",
    worker,
    (o) => {
      delete container(o).securityContext.seccompProfile
      delete pod(o).spec.securityContext.seccompProfile
    },
    /no seccomp profile/
  ],
  [
    "a folder of the node",
    intel,
    (o) => (pod(o).spec.volumes[0] = { name: "work", hostPath: { path: "/dev/dri" } }),
    /volume work is a hostPath/
  ],
  ["the network of the node", worker, (o) => (pod(o).spec.hostNetwork = true), /hostNetwork is on/],
  ["a token of the cluster", worker, (o) => delete pod(o).spec.automountServiceAccountToken, /token of the cluster/],
  [
    "an account that is not there",
    worker,
    (o) => (pod(o).spec.serviceAccountName = "default"),
    /no ServiceAccount default/
  ],
  ["the newest image", worker, (o) => (container(o).image = "your-registry/vlog-worker:latest"), /is not pinned/],
  ["an image without a tag", nvidia, (o) => (container(o).image = "localhost:5000/vlog-worker-gpu"), /is not pinned/],
  ["always pulling", worker, (o) => (container(o).imagePullPolicy = "Always"), /imagePullPolicy/],
  [
    "a ConfigMap that is not there",
    worker,
    (o) => (container(o).envFrom[0].configMapRef.name = "vlog-config"),
    /no ConfigMap vlog-config|there is no ConfigMap/
  ],
  [
    "a Secret that nobody makes",
    intel,
    (o) => (container(o).env[0].valueFrom.secretKeyRef.name = "vlog-worker-secret"),
    /unknown secret vlog-worker-secret/
  ],
  [
    "a key that the Secret does not have",
    backup,
    (o) => (container(o).env[0].valueFrom.secretKeyRef.key = "HOST"),
    /unknown secret postgres-backup-credentials HOST/
  ],
  [
    "a variable that nobody reads",
    worker,
    (o) => container(o).env.push({ name: "VLOG_WORKER_THREADS", value: "4" }),
    /worker does not read VLOG_WORKER_THREADS/
  ],
  [
    "a variable that nobody reads, in the ConfigMap",
    "ConfigMap/vlog-worker-config",
    (o) => (o.data.VLOG_POLL = "1"),
    /worker does not read VLOG_POLL/
  ],
  ["a program that is not there", cleanup, (o) => (container(o).args = ["clean"]), /there is no program clean/],
  ["no program", api, (o) => delete container(o).args, /names no program/],
  [
    "another port of the API",
    api,
    (o) => (container(o).ports[0].containerPort = 9003),
    /nothing listens behind port 9002/
  ],
  [
    "a Service for nobody",
    "Service/vlog-worker-api",
    (o) => (o.spec.selector["app.kubernetes.io/name"] = "vlog-api"),
    /0 workloads behind it/
  ],
  [
    "a drain longer than the grace",
    worker,
    (o) => (pod(o).spec.terminationGracePeriodSeconds = 60),
    /killed before it has drained/
  ],
  ["a worker as process 1", worker, (o) => delete pod(o).spec.shareProcessNamespace, /nobody clears the processes/],
  [
    "an autoscaler for nobody",
    "HorizontalPodAutoscaler/vlog-worker",
    (o) => (o.spec.scaleTargetRef.name = "worker"),
    /the scaled Deployment worker does not exist/
  ],
  [
    "an autoscaler for GPUs",
    "HorizontalPodAutoscaler/vlog-worker",
    (o) => (o.spec.scaleTargetRef.name = "vlog-worker-nvidia"),
    /vlog-worker-nvidia is not to be scaled/
  ],
  ["the controller's time zone", backup, (o) => delete o.spec.timeZone, /time zone/],
  ["two at once", cleanup, (o) => (o.spec.concurrencyPolicy = "Allow"), /two may run at once/],
  ["a deadline that an outage misses", backup, (o) => (o.spec.startingDeadlineSeconds = 100), /starting deadline/],
  ["a job for ever", backup, (o) => delete o.spec.jobTemplate.spec.activeDeadlineSeconds, /may run for ever/],
  [
    "a backup that is not found by its label",
    backup,
    (o) => delete o.spec.jobTemplate.metadata.labels.component,
    /component: backup is missing/
  ],
  [
    "a volume that is not there",
    backup,
    (o) => (pod(o).spec.volumes[0].persistentVolumeClaim.claimName = "backups"),
    /no PersistentVolumeClaim backups/
  ],
  [
    "a PodMonitor of another label",
    "PodMonitor/vlog-workers",
    (o) => (o.spec.selector.matchLabels["app.kubernetes.io/name"] = "vlog"),
    /vlog-worker-api has no port health/
  ],
  [
    "a PodMonitor of another port",
    "PodMonitor/vlog-workers",
    (o) => (o.spec.podMetricsEndpoints[0].port = "metrics"),
    /has no port metrics/
  ],
  [
    "a PodMonitor of the API that matches more",
    "PodMonitor/vlog-worker-api",
    (o) => (o.spec.selector = {}),
    /neither just the workers nor just the API/
  ],
  ["a role that may write", "Role/prometheus-k8s", (o) => o.rules[0].verbs.push("delete"), /may change something/],
  [
    "a role for the whole cluster",
    "Role/prometheus-k8s",
    (o) => (o.kind = "ClusterRole"),
    /no program needs permissions/
  ]
]

const objects = (): ReadonlyArray<KubeObject> => [
  ...baseObjects(),
  ...["podmonitor.yaml", "podmonitor-api.yaml", "components/observability/prometheus-role.yaml"].flatMap(readObjects)
]

it("there is nothing to tell before", () => {
  assert.deepStrictEqual(together(objects()), [])
})

it.each(mutations)("%s (%s)", (_, id, mutate, told) => {
  const changed = objects()
  mutate(find(changed, id))
  let problems: ReadonlyArray<string>
  try {
    problems = together(changed)
  } catch (error) {
    problems = [(error as Error).message]
  }
  assert.isTrue(
    problems.some((problem) => told.test(problem)),
    problems.join("\n") || "nothing was told"
  )
})
