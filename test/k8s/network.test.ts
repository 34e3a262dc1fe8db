/** The network policies allow what the programs do, and nothing else. */
import { assert, describe, it } from "vitest"
import { mayCall, type Peer, podsOf, type Port } from "./support/network.ts"
import {
  baseObjects,
  find,
  hasKubectl,
  type KubeObject,
  readObjects,
  renderWith,
  workloads
} from "./support/objects.ts"

const dns: Peer = { name: "dns", namespace: "kube-system", labels: { "k8s-app": "kube-dns" } }
const prometheus: Peer = {
  name: "prometheus",
  namespace: "monitoring",
  labels: { "app.kubernetes.io/name": "prometheus" }
}
const gateway: Peer = {
  name: "gateway",
  namespace: "ingress",
  namespaceLabels: { "vlog.dev/may-call-worker-api": "true" },
  labels: { app: "gateway" }
}
const outside: ReadonlyArray<Peer> = [
  { name: "intruder in vlog", namespace: "vlog", labels: { app: "intruder" } },
  { name: "intruder elsewhere", namespace: "default", labels: { "app.kubernetes.io/name": "vlog-worker" } },
  { name: "intruder in monitoring", namespace: "monitoring", labels: { app: "grafana" } },
  { name: "kubernetes-dashboard", namespace: "kube-system", labels: { app: "dashboard" } },
  { name: "internet", address: "203.0.113.7" },
  { name: "metadata service", address: "169.254.169.254" },
  { name: "node-local DNS", address: "169.254.20.10" },
  { name: "API elsewhere", address: "192.168.1.100" },
  { name: "neighbour of the API elsewhere", address: "192.168.1.101" },
  { name: "redis", namespace: "vlog", labels: { "app.kubernetes.io/name": "redis" } },
  { name: "keda", namespace: "keda", labels: { app: "keda-operator" } },
  { name: "collector", namespace: "observability", labels: { "app.kubernetes.io/name": "opentelemetry-collector" } }
]
const ports: ReadonlyArray<Port> = [
  ...[22, 53, 80, 443, 4317, 4318, 5432, 6379, 6443, 8080, 9002, 10250].map(
    (port) => ({ protocol: "TCP", port }) as const
  ),
  ...[53, 443].map((port) => ({ protocol: "UDP", port }) as const)
]

/** Every call that is possible, of all from everybody to everybody. */
const calls = (objects: ReadonlyArray<KubeObject>): ReadonlyArray<string> => {
  const ours = podsOf(objects).filter(({ name }) => name !== "postgres-backup-drill")
  const everybody = [...ours, dns, prometheus, gateway, ...outside]
  const isOurs = (peer: Peer) => ours.includes(peer)
  return everybody
    .flatMap((from) =>
      everybody.flatMap((to) =>
        from === to || !(isOurs(from) || isOurs(to))
          ? []
          : ports
              .filter((port) => mayCall(objects, from, to, port))
              .map(({ port, protocol }) => `${from.name} -> ${to.name} ${protocol} ${port}`)
      )
    )
    .toSorted()
}

const workers = ["vlog-worker", "vlog-worker-nvidia", "vlog-worker-intel"]
const programs = [...workers, "vlog-worker-api", "vlog-cleanup", "postgres-backup"]
const expected = [
  ...[...programs, "vlog-postgres"].flatMap((name) => [`${name} -> dns TCP 53`, `${name} -> dns UDP 53`]),
  ...[...workers, "gateway"].map((name) => `${name} -> vlog-worker-api TCP 9002`),
  ...workers.map((name) => `prometheus -> ${name} TCP 8080`),
  "prometheus -> vlog-worker-api TCP 9002",
  ...["vlog-worker-api", "vlog-cleanup", "postgres-backup"].map((name) => `${name} -> vlog-postgres TCP 5432`)
]

const withDatabase = () => [...baseObjects(), ...readObjects("overlays/dev/postgres.yaml")]

it("the programs reach what they need, and nobody else reaches anything", () => {
  assert.deepStrictEqual(calls(withDatabase()), expected.toSorted())
})

it("a policy that is left out shows", () => {
  for (const policy of withDatabase().filter(({ kind }) => kind === "NetworkPolicy")) {
    // Each of the programs' own policies says Ingress and Egress, so without the default nothing of ours changes.
    if (policy.metadata.name === "default-deny") continue
    const left = withDatabase().filter(
      ({ kind, metadata }) => kind !== policy.kind || metadata.name !== policy.metadata.name
    )
    assert.notDeepEqual(calls(left), expected.toSorted(), policy.metadata.name)
  }
})

it("without the default, what has no policy of its own is open", () => {
  const stray: Peer = { name: "stray", namespace: "vlog", labels: { app: "stray" } }
  const internet: Peer = { name: "internet", address: "203.0.113.7" }
  const https: Port = { protocol: "TCP", port: 443 }
  const all = withDatabase()
  assert.isFalse(mayCall(all, stray, internet, https))
  const open = all.filter(({ metadata }) => !["default-deny", "vlog-dns"].includes(metadata.name))
  assert.isTrue(mayCall(open, stray, internet, https))
})

describe.skipIf(!hasKubectl)("what a component adds", () => {
  const base = hasKubectl ? calls(renderWith()) : []
  const added = (...names: ReadonlyArray<string>) => calls(renderWith(...names)).filter((call) => !base.includes(call))

  it("redis: the workers reach it", () => {
    assert.deepStrictEqual(added("redis").toSorted(), workers.map((name) => `${name} -> redis TCP 6379`).toSorted())
  })

  it("otel: every program reaches the collector, and knows its address and its own pod", () => {
    assert.deepStrictEqual(added("otel").toSorted(), programs.map((name) => `${name} -> collector TCP 4318`).toSorted())
    const rendered = renderWith("otel")
    const { data } = find(rendered, "ConfigMap/vlog-telemetry")
    for (const { id, template } of workloads(rendered)) {
      const env = template.spec.containers[0].env as ReadonlyArray<{ name: string; valueFrom?: unknown }>
      const has = (name: string, from: unknown) => assert.deepInclude(env, { name, valueFrom: from }, id)
      for (const key of Object.keys(data)) has(key, { configMapKeyRef: { name: "vlog-telemetry", key } })
      has("POD_NAME", { fieldRef: { fieldPath: "metadata.name" } })
    }
  })

  it("nodelocal-dns: everybody reaches the node's resolver", () => {
    assert.deepStrictEqual(
      added("nodelocal-dns").toSorted(),
      programs.flatMap((name) => [`${name} -> node-local DNS TCP 53`, `${name} -> node-local DNS UDP 53`]).toSorted()
    )
  })

  it("external-worker-api: the workers reach that address, and there is nothing else", () => {
    assert.deepStrictEqual(
      calls(renderWith("external-worker-api")),
      [
        ...workers.flatMap((name) => [`${name} -> dns TCP 53`, `${name} -> dns UDP 53`]),
        ...workers.map((name) => `${name} -> API elsewhere TCP 9002`),
        ...workers.map((name) => `prometheus -> ${name} TCP 8080`)
      ].toSorted()
    )
  })

  it("external-database: API, cleanup and backup reach that address", () => {
    assert.deepStrictEqual(
      added("external-database").toSorted(),
      ["postgres-backup", "vlog-cleanup", "vlog-worker-api"].map(
        (name) => `${name} -> neighbour of the API elsewhere TCP 5432`
      )
    )
  })

  it("keda: it reaches the database", () => {
    const rendered = [...renderWith("keda"), ...readObjects("overlays/dev/postgres.yaml")]
    assert.include(calls(rendered), "keda -> vlog-postgres TCP 5432")
  })
})
