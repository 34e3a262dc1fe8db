/** What is asked of every pod: Pod Security "restricted", and the house's own rules. */
import type { Any, Workload } from "./objects.ts"

const volumesOfRestricted = [
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret"
]

const isPinned = (image: string) => /(:[^/:]+(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})$/.test(image)

const factors: Record<string, number> = { "": 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 }
const bytes = (quantity: string | number): number => {
  const [, amount, unit = ""] = /^([\d.]+)([KMGT]i)?$/.exec(String(quantity)) ?? []
  return Number(amount) * factors[unit]!
}

/** https://kubernetes.io/docs/concepts/security/pod-security-standards/ */
const podSecurity = (spec: Any): ReadonlyArray<string> => {
  const containers: ReadonlyArray<Any> = [...spec.containers, ...(spec.initContainers ?? [])]
  const pod = spec.securityContext ?? {}
  return [
    ...["hostNetwork", "hostPID", "hostIPC"].filter((field) => spec[field] === true).map((field) => `${field} is on`),
    ...(spec.volumes ?? []).flatMap(({ name, ...source }: Any) =>
      Object.keys(source)
        .filter((kind) => !volumesOfRestricted.includes(kind))
        .map((kind) => `volume ${name} is a ${kind}`)
    ),
    ...["sysctls", "windowsOptions", "seLinuxOptions"]
      .filter((field) => field in pod)
      .map((field) => `${field} is set`),
    ...containers.flatMap((container) => {
      const own = container.securityContext ?? {}
      const at = `container ${container.name}`
      return [
        ...(own.privileged === true ? [`${at} is privileged`] : []),
        ...(own.allowPrivilegeEscalation === false ? [] : [`${at} may gain privileges`]),
        ...(own.capabilities?.drop?.includes("ALL") ? [] : [`${at} keeps capabilities`]),
        ...((own.capabilities?.add ?? []).length > 0 ? [`${at} adds capabilities`] : []),
        ...((own.runAsNonRoot ?? pod.runAsNonRoot) === true ? [] : [`${at} may run as root`]),
        ...((own.runAsUser ?? pod.runAsUser) === 0 ? [`${at} runs as root`] : []),
        ...((own.seccompProfile ?? pod.seccompProfile)?.type === "RuntimeDefault"
          ? []
          : [`${at} has no seccomp profile`]),
        ...(own.procMount === undefined ? [] : [`${at} sets procMount`]),
        ...(container.ports ?? []).filter((port: Any) => port.hostPort).map(() => `${at} takes a port of the node`),
        ...["livenessProbe", "readinessProbe", "startupProbe"]
          .filter((probe) => container[probe]?.httpGet?.host !== undefined)
          .map((probe) => `${at}: ${probe} names a host`)
      ]
    })
  ]
}

const containerRules = (container: Any): ReadonlyArray<string> => {
  const at = `container ${container.name}`
  const security = container.securityContext ?? {}
  const resources = container.resources ?? {}
  const probes = ["livenessProbe", "readinessProbe", "startupProbe"].flatMap((name) =>
    container[name] === undefined ? [] : [[name, container[name]] as const]
  )
  return [
    ...(isPinned(container.image) && !container.image.includes(":latest")
      ? []
      : [`${at}: ${container.image} is not pinned`]),
    ...(container.imagePullPolicy === "IfNotPresent" ? [] : [`${at}: imagePullPolicy is not IfNotPresent`]),
    ...(container.terminationMessagePolicy === "FallbackToLogsOnError" ? [] : [`${at}: no last words of its log`]),
    ...["runAsNonRoot", "readOnlyRootFilesystem"]
      .filter((field) => security[field] !== true)
      .map((field) => `${at}: ${field} is not true`),
    ...["runAsUser", "runAsGroup"].filter((field) => !(security[field] > 0)).map((field) => `${at}: no ${field}`),
    ...["requests", "limits"].flatMap((kind) =>
      ["cpu", "memory", "ephemeral-storage"]
        .filter((resource) => resources[kind]?.[resource] === undefined)
        .map((resource) => `${at}: no ${kind} of ${resource}`)
    ),
    ...probes.flatMap(([name, probe]) => {
      const port = probe.httpGet?.port
      const known = (container.ports ?? []).map((one: Any) => one.name)
      return [
        ...(port === undefined || known.includes(port)
          ? []
          : [`${at}: ${name} asks port ${port}, which it does not have`]),
        ...(probe.timeoutSeconds >= 2 ? [] : [`${at}: ${name} waits a second only`])
      ]
    }),
    ...((container.volumeMounts ?? []).some((mount: Any) => mount.mountPath === "/tmp")
      ? []
      : [`${at}: /tmp is not writable`])
  ]
}

export const podProblems = ({ id, template }: Workload): ReadonlyArray<string> => {
  const { spec } = template
  const emptyDirs = (spec.volumes ?? []).filter((volume: Any) => volume.emptyDir !== undefined)
  const limit = spec.containers.reduce(
    (sum: number, one: Any) => sum + bytes(one.resources?.limits?.["ephemeral-storage"] ?? 0),
    0
  )
  const used = emptyDirs.reduce((sum: number, volume: Any) => sum + bytes(volume.emptyDir?.sizeLimit ?? 0), 0)
  const mounts = spec.containers.flatMap((one: Any) => (one.volumeMounts ?? []).map((mount: Any) => mount.name))
  const volumes = (spec.volumes ?? []).map((volume: Any) => volume.name)
  return [
    ...podSecurity(spec),
    ...spec.containers.flatMap(containerRules),
    ...(spec.automountServiceAccountToken === false ? [] : ["a token of the cluster is mounted"]),
    ...(spec.enableServiceLinks === false ? [] : ["services are put into its environment"]),
    ...(spec.securityContext?.fsGroup > 0 ? [] : ["no fsGroup"]),
    ...emptyDirs
      .filter((volume: Any) => volume.emptyDir?.sizeLimit === undefined)
      .map((volume: Any) => `volume ${volume.name} has no limit`),
    ...(used > limit ? [`its emptyDirs are larger than its limit of ephemeral storage`] : []),
    ...volumes.filter((name: string) => !mounts.includes(name)).map((name: string) => `volume ${name} is not used`)
  ].map((problem) => `${id}: ${problem}`)
}
