/** Every manifest is right, by itself and in every combination that is offered. */
import { existsSync, lstatSync, readdirSync, realpathSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, expect, it } from "vitest"
import {
  allFiles,
  baseObjects,
  components,
  find,
  folder,
  hasKubectl,
  idOf,
  objectFiles,
  overlays,
  readObjects,
  render,
  renderWith
} from "./support/objects.ts"
import { alone, together } from "./support/rules.ts"

/** The names that people are told to apply. */
const named = [
  "namespace",
  "configmap",
  "worker-deployment",
  "worker-deployment-nvidia",
  "worker-deployment-intel",
  "worker-hpa",
  "worker-pdb",
  "worker-pdb-nvidia",
  "worker-pdb-intel",
  "cleanup-cronjob",
  "networkpolicy",
  "backup-cronjob",
  "podmonitor"
]

it.each(objectFiles)("%s is right by itself", (file) => {
  expect(alone(readObjects(file))).toEqual([])
})

it.each(named)("k8s/%s.yaml is there to be applied", (name) => {
  assert.isNotEmpty(readObjects(`${name}.yaml`))
})

it("the names in k8s/ are links to the files of the base, and none is missing", () => {
  const links = readdirSync(folder).filter((name) => name.endsWith(".yaml") && name !== "kustomization.yaml")
  for (const name of links) {
    assert.isTrue(lstatSync(join(folder, name)).isSymbolicLink(), name)
    assert.isTrue(existsSync(realpathSync(join(folder, name))), name)
  }
  const base = allFiles.filter((file) => file.startsWith("base/") && !file.endsWith("kustomization.yaml"))
  assert.includeMembers(
    links,
    base.map((file) => file.slice("base/".length))
  )
})

it("the files of the base fit together", () => {
  expect(together(baseObjects())).toEqual([])
})

it("nothing stands in two files of the base", () => {
  const ids = baseObjects().map(idOf)
  assert.deepStrictEqual(ids, [...new Set(ids)])
})

it("the PodMonitor is the documented one", () => {
  const [monitor] = readObjects("podmonitor.yaml")
  assert.deepStrictEqual(monitor!["spec"], {
    selector: { matchLabels: { "app.kubernetes.io/name": "vlog-worker" } },
    podMetricsEndpoints: [{ port: "health", path: "/metrics", interval: "30s" }]
  })
})

describe.skipIf(!hasKubectl)("put together by kubectl", () => {
  it("the base", () => {
    expect(together(render("k8s"))).toEqual([])
  })

  it.each(overlays)("overlay %s", (name) => {
    expect(together(render(`k8s/overlays/${name}`))).toEqual([])
  })

  it.each(components)("component %s", (name) => {
    expect(together(renderWith(name))).toEqual([])
  })

  it("what is scaled has no number of replicas for an apply to set back", () => {
    assert.notProperty(find(render("k8s"), "Deployment/vlog-worker")["spec"], "replicas")
    assert.notProperty(find(renderWith("keda"), "Deployment/vlog-worker")["spec"], "replicas")
  })

  it("a component does what it says", () => {
    const container = (names: ReadonlyArray<string>, id: string) =>
      find(renderWith(...names), id)["spec"].template.spec.containers[0]
    assert.deepInclude(container(["intel-i915"], "Deployment/vlog-worker-intel").resources.limits, {
      "gpu.intel.com/i915": 1
    })
    assert.notProperty(container(["intel-i915"], "Deployment/vlog-worker-intel").resources.limits, "gpu.intel.com/xe")
    assert.notProperty(
      find(renderWith("nvidia-cdi"), "Deployment/vlog-worker-nvidia")["spec"].template.spec,
      "runtimeClassName"
    )
    assert.deepInclude(container(["profile-720p"], "Deployment/vlog-worker").resources.limits, {
      cpu: "1",
      memory: "2Gi"
    })
    assert.deepInclude(container(["profile-4k"], "Deployment/vlog-worker").resources.limits, {
      cpu: "4",
      memory: "8Gi"
    })
    const scaled = renderWith("keda").map(idOf)
    assert.include(scaled, "ScaledObject/vlog-worker")
    assert.notInclude(scaled, "HorizontalPodAutoscaler/vlog-worker")
    const jobs = renderWith("keda-scaledjob")
    assert.include(jobs.map(idOf), "ScaledJob/vlog-worker")
    assert.notMatch(jobs.map(idOf).join(), /(Deployment|PodDisruptionBudget|ScaledObject)\/vlog-worker(,|$)/)
    const pod = find(jobs, "ScaledJob/vlog-worker")["spec"].jobTargetRef.template.spec
    const worker = find(baseObjects(), "Deployment/vlog-worker")["spec"].template.spec
    assert.deepStrictEqual(pod.containers[0].securityContext, worker.containers[0].securityContext)
    assert.deepStrictEqual(pod.containers[0].image, worker.containers[0].image)
    assert.deepInclude(pod.containers[0].env, { name: "VLOG_WORKER_ONCE", value: "true" })
    assert.notInclude(renderWith("without-nvidia", "without-intel").map(idOf).join(), "-nvidia")
  })
})
