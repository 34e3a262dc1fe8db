/** Which process it is that tells, in the words of OpenTelemetry's semantic conventions. */
import { randomUUID } from "node:crypto"
import { hostname } from "node:os"

type Environment = Readonly<Record<string, string | undefined>>

/** The pod tells its containers by the Downward API. */
const fromPod = {
  "k8s.namespace.name": "POD_NAMESPACE",
  "k8s.pod.name": "POD_NAME",
  "k8s.pod.uid": "POD_UID",
  "k8s.node.name": "NODE_NAME",
  "k8s.container.name": "CONTAINER_NAME"
} as const

export const attributesOf = (environment: Environment): Readonly<Record<string, string | number>> => {
  const pod = Object.entries(fromPod).flatMap(([attribute, name]) => {
    const value = environment[name]
    return value === undefined || value === "" ? [] : [[attribute, value] as const]
  })
  return {
    "service.namespace": "vlog",
    "service.instance.id": environment["POD_UID"] ?? randomUUID(),
    "host.name": hostname(),
    "process.pid": process.pid,
    "process.runtime.name": "nodejs",
    "process.runtime.version": process.versions.node,
    ...Object.fromEntries(pod)
  }
}
