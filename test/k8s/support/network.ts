/** NetworkPolicies as a network plugin reads them. */
import { BlockList } from "node:net"
import { type Any, type KubeObject, selects, workloads } from "./objects.ts"

/** A pod, or an address outside of the cluster. */
export interface Peer {
  readonly name: string
  readonly namespace?: string
  readonly namespaceLabels?: Record<string, string>
  readonly labels?: Record<string, string>
  readonly ports?: Record<string, number>
  readonly address?: string
}

export interface Port {
  readonly protocol: "TCP" | "UDP"
  readonly port: number
}

const inRange = (address: string, cidr: string): boolean => {
  const [net = "", bits] = cidr.split("/")
  const list = new BlockList()
  list.addSubnet(net, Number(bits), "ipv4")
  return list.check(address)
}

const isPeer = (rule: Any, policyNamespace: string, peer: Peer): boolean => {
  if (rule.ipBlock !== undefined) {
    return (
      peer.address !== undefined &&
      inRange(peer.address, rule.ipBlock.cidr) &&
      !(rule.ipBlock.except ?? []).some((cidr: string) => inRange(peer.address!, cidr))
    )
  }
  if (peer.namespace === undefined) return false
  const here = peer.namespace === policyNamespace
  const namespaceLabels = { "kubernetes.io/metadata.name": peer.namespace, ...peer.namespaceLabels }
  return (
    (rule.namespaceSelector === undefined ? here : selects(rule.namespaceSelector, namespaceLabels)) &&
    (rule.podSelector === undefined || selects(rule.podSelector, peer.labels))
  )
}

/** A port by name is looked up in the pod that is called. */
const isPort = (rule: Any, wanted: Port, called: Peer): boolean =>
  (rule.protocol ?? "TCP") === wanted.protocol &&
  (typeof rule.port === "string" ? called.ports?.[rule.port] === wanted.port : rule.port === wanted.port)

const side = (
  policies: ReadonlyArray<KubeObject>,
  type: "Ingress" | "Egress",
  options: { readonly of: Peer; readonly other: Peer; readonly called: Peer; readonly port: Port }
): boolean => {
  const { called, of, other, port } = options
  const applying = policies.filter(
    ({ metadata, spec }: Any) =>
      metadata.namespace === of.namespace && selects(spec.podSelector, of.labels) && spec.policyTypes.includes(type)
  )
  if (applying.length === 0) return true
  return applying.some(({ metadata, spec }: Any) =>
    (spec[type.toLowerCase()] ?? []).some((rule: Any) => {
      const peers = rule[type === "Ingress" ? "from" : "to"]
      return (
        (peers === undefined || peers.some((peer: Any) => isPeer(peer, metadata.namespace, other))) &&
        (rule.ports === undefined || rule.ports.some((one: Any) => isPort(one, port, called)))
      )
    })
  )
}

export const mayCall = (objects: ReadonlyArray<KubeObject>, from: Peer, to: Peer, port: Port): boolean => {
  const policies = objects.filter(({ kind }) => kind === "NetworkPolicy")
  return (
    side(policies, "Egress", { of: from, other: to, called: to, port }) &&
    side(policies, "Ingress", { of: to, other: from, called: to, port })
  )
}

export const podsOf = (objects: ReadonlyArray<KubeObject>): ReadonlyArray<Peer> =>
  workloads(objects).map(({ object, template }) => ({
    name: object.metadata.name,
    namespace: object.metadata.namespace ?? "",
    labels: template.metadata.labels,
    ports: Object.fromEntries(
      template.spec.containers.flatMap((one: Any) =>
        (one.ports ?? []).map((port: Any) => [port.name, port.containerPort])
      )
    )
  }))
