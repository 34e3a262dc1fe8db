/** What is asked of objects together: that they name each other rightly, and none twice. */
import { type Any, find, idOf, isApi, isWorker, type KubeObject, selects, type Workload, workloads } from "./objects.ts"

/** Made by hand or by an operator, as k8s/README.md says: never in a file. */
const secrets: Record<string, ReadonlyArray<string>> = {
  "vlog-worker-credentials": ["VLOG_WORKER_API_KEY"],
  "vlog-worker-api-credentials": ["VLOG_DATABASE_URL", "VLOG_WORKER_ADMIN_SECRET"],
  "postgres-backup-credentials": ["PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD"],
  "postgres-backup-s3": ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
  "vlog-postgres": ["POSTGRES_PASSWORD"],
  "vlog-keda-database": ["connection"]
}

const clusterScoped = ["Namespace", "PersistentVolume", "PriorityClass"]
const written = ["status", "uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink", "generation"]

export const objectProblems = (object: KubeObject): ReadonlyArray<string> =>
  [
    ...(clusterScoped.includes(object.kind) || object.metadata.namespace === "vlog"
      ? []
      : ["is not in namespace vlog"]),
    ...(object.kind === "Secret" ? ["secrets do not belong in files"] : []),
    ...(object.kind.startsWith("ClusterRole") ? ["no program needs permissions in the cluster"] : []),
    ...(object.kind === "Role" &&
    object["rules"].some((rule: Any) => rule.verbs.some((verb: string) => !["get", "list", "watch"].includes(verb)))
      ? ["may change something"]
      : []),
    ...(object.kind === "RoleBinding" && object["subjects"].some((one: Any) => one.namespace !== "monitoring")
      ? ["gives permissions to a program of ours"]
      : []),
    ...written
      .filter((field) => field in object || field in object.metadata)
      .map((field) => `${field} is written by the server`),
    ...(Object.keys(object.metadata.annotations ?? {}).some((key) => key.includes("last-applied"))
      ? ["was dumped"]
      : [])
  ].map((problem) => `${idOf(object)} ${problem}`)

const sourceProblems = (objects: ReadonlyArray<KubeObject>, { id, template }: Workload): ReadonlyArray<string> => {
  const has = (kind: string, name: string) =>
    objects.some((object) => object.kind === kind && object.metadata.name === name)
  const { spec } = template
  return spec.containers
    .flatMap((container: Any) => [
      ...(container.envFrom ?? []).flatMap((from: Any) =>
        from.configMapRef !== undefined && !has("ConfigMap", from.configMapRef.name)
          ? [`no ConfigMap ${from.configMapRef.name}`]
          : []
      ),
      ...(container.env ?? []).flatMap(({ valueFrom }: Any) => {
        const key = valueFrom?.secretKeyRef
        return key === undefined || secrets[key.name]?.includes(key.key)
          ? []
          : [`unknown secret ${key.name} ${key.key}`]
      })
    ])
    .concat(
      has("ServiceAccount", spec.serviceAccountName) ? [] : [`no ServiceAccount ${spec.serviceAccountName}`],
      (spec.volumes ?? []).flatMap((volume: Any) => {
        const claim = volume.persistentVolumeClaim?.claimName
        return claim === undefined || has("PersistentVolumeClaim", claim) ? [] : [`no PersistentVolumeClaim ${claim}`]
      })
    )
    .map((problem: string) => `${id}: ${problem}`)
}

const percentOr = (value: number | string, total: number, round: (n: number) => number) =>
  typeof value === "number" ? value : round((Number.parseInt(value, 10) / 100) * total)

/** How few replicas there can be. */
const floor = (objects: ReadonlyArray<KubeObject>, { object }: Workload): number => {
  const scaler = objects.find(
    (one) =>
      ["HorizontalPodAutoscaler", "ScaledObject"].includes(one.kind) &&
      one["spec"].scaleTargetRef.name === object.metadata.name
  )
  return scaler?.["spec"].minReplicas ?? scaler?.["spec"].minReplicaCount ?? object["spec"].replicas ?? 1
}

const budgetProblems = (objects: ReadonlyArray<KubeObject>): ReadonlyArray<string> =>
  workloads(objects)
    .filter(({ object }) => object.kind === "Deployment")
    .flatMap((workload) => {
      const budgets = objects.filter(
        (object) =>
          object.kind === "PodDisruptionBudget" && selects(object["spec"].selector, workload.template.metadata.labels)
      )
      if (budgets.length !== 1) return [`${workload.id}: matched by ${budgets.length} PodDisruptionBudgets`]
      const { maxUnavailable, minAvailable, unhealthyPodEvictionPolicy } = budgets[0]!["spec"]
      const pods = floor(objects, workload)
      const room =
        maxUnavailable === undefined
          ? pods - percentOr(minAvailable, pods, Math.ceil)
          : percentOr(maxUnavailable, pods, Math.ceil)
      return [
        ...(room >= 1 ? [] : [`${workload.id}: with ${pods} replicas its PodDisruptionBudget blocks every drain`]),
        ...(unhealthyPodEvictionPolicy === "AlwaysAllow"
          ? []
          : [`${workload.id}: a pod that is not ready blocks a drain`])
      ]
    })

const selectorProblems = (objects: ReadonlyArray<KubeObject>): ReadonlyArray<string> => {
  const all = workloads(objects)
  const owners = all.filter(({ object }) => object["spec"].selector !== undefined)
  return [
    ...all.flatMap(({ id, object, template }) => {
      const labels = template.metadata.labels
      const by = owners.filter((owner) => selects(owner.object["spec"].selector, labels)).map((owner) => owner.id)
      const expected = object["spec"].selector === undefined ? [] : [id]
      return by.join() === expected.join() ? [] : [`${id}: its pods are matched by ${by.join(" and ") || "nothing"}`]
    }),
    ...objects
      .filter((object) => object.kind === "Service")
      .flatMap((object) => {
        const behind = all.filter(({ template }) =>
          selects({ matchLabels: object["spec"].selector }, template.metadata.labels)
        )
        const ports = behind.flatMap(({ template }) => template.spec.containers.flatMap((one: Any) => one.ports ?? []))
        return [
          ...(behind.length === 1 ? [] : [`${idOf(object)}: ${behind.length} workloads behind it`]),
          ...object["spec"].ports
            .filter(
              (port: Any) => !ports.some((one: Any) => one.name === port.targetPort && one.containerPort === port.port)
            )
            .map((port: Any) => `${idOf(object)}: nothing listens behind port ${port.port}`)
        ]
      }),
    ...objects
      .filter((object) => object.kind === "PodMonitor")
      .flatMap((object) => {
        const { podMetricsEndpoints, selector } = object["spec"]
        const matched = all.filter(({ template }) => selects(selector, template.metadata.labels))
        const names = (list: ReadonlyArray<Workload>) => list.map(({ id }) => id).join()
        const whole = [all.filter(isWorker), all.filter(isApi)].map(names)
        return [
          ...(whole.includes(names(matched))
            ? []
            : [`${idOf(object)}: matches neither just the workers nor just the API`]),
          ...matched
            .filter(
              ({ template }) =>
                !template.spec.containers[0].ports?.some((port: Any) => port.name === podMetricsEndpoints[0].port)
            )
            .map(({ id }) => `${idOf(object)}: ${id} has no port ${podMetricsEndpoints[0].port}`)
        ]
      })
  ]
}

const scalerProblems = (objects: ReadonlyArray<KubeObject>): ReadonlyArray<string> => {
  const scalers = objects.filter(({ kind }) => ["HorizontalPodAutoscaler", "ScaledObject"].includes(kind))
  const targets = scalers.map((scaler) => scaler["spec"].scaleTargetRef.name as string)
  return [
    ...targets.flatMap((name) => {
      const target = objects.find((one) => one.kind === "Deployment" && one.metadata.name === name)
      if (target === undefined) return [`the scaled Deployment ${name} does not exist`]
      return target["spec"].template.metadata.labels["vlog.dev/accelerator"] === "none"
        ? []
        : [`${name} is not to be scaled`]
    }),
    ...(new Set(targets).size === targets.length ? [] : ["a Deployment is scaled by two"])
  ]
}

const cronProblems = (object: KubeObject): ReadonlyArray<string> => {
  const { spec } = object
  const job = spec.jobTemplate.spec
  const labels = { ...spec.jobTemplate.metadata?.labels }
  return [
    ...(spec.timeZone === "Etc/UTC" ? [] : ["its time zone is not Etc/UTC"]),
    ...(spec.concurrencyPolicy === "Forbid" ? [] : ["two may run at once"]),
    ...(spec.startingDeadlineSeconds >= 120 ? [] : ["no starting deadline, or one that a short outage misses"]),
    ...(job.activeDeadlineSeconds > 0 ? [] : ["it may run for ever"]),
    ...(job.template.spec.restartPolicy === "Never" ? [] : ["its failed pods are not kept"]),
    ...(job.backoffLimit <= 2 ? [] : ["it tries too often"]),
    ...(object.metadata.name.startsWith("postgres-backup")
      ? [
          ...([object.metadata.labels, labels, job.template.metadata.labels].every(
            (one: Any) => one?.["component"] === "backup"
          )
            ? []
            : ["the label component: backup is missing somewhere"]),
          ...(spec.startingDeadlineSeconds >= 3600 ? [] : ["an outage of an hour loses the day's backup"])
        ]
      : [])
  ].map((problem) => `${idOf(object)}: ${problem}`)
}

const drainProblems = (objects: ReadonlyArray<KubeObject>): ReadonlyArray<string> => {
  const drain = Number(find(objects, "ConfigMap/vlog-worker-config")["data"].VLOG_WORKER_DRAIN_SECONDS)
  return workloads(objects)
    .filter(isWorker)
    .filter(({ template }) => !(template.spec.terminationGracePeriodSeconds >= drain + 30))
    .map(({ id }) => `${id}: is killed before it has drained`)
}

/** A killed sandbox leaves its inner process to process 1, which must be one that clears such things. */
const initProblems = (objects: ReadonlyArray<KubeObject>): ReadonlyArray<string> =>
  workloads(objects)
    .filter(isWorker)
    .filter(({ template }) => template.spec.shareProcessNamespace !== true)
    .map(({ id }) => `${id}: nobody clears the processes that a killed sandbox leaves`)

/** For objects that are applied together. */
export const setProblems = (objects: ReadonlyArray<KubeObject>): ReadonlyArray<string> => [
  ...workloads(objects).flatMap((workload) => sourceProblems(objects, workload)),
  ...selectorProblems(objects),
  ...budgetProblems(objects),
  ...scalerProblems(objects),
  ...objects.filter(({ kind }) => kind === "CronJob").flatMap(cronProblems),
  ...drainProblems(objects),
  ...initProblems(objects)
]
