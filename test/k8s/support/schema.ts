/**
 * Whether an object is one of its kind: no field that the kind does not have (by the client's maps of attributes), every
 * required one, and each of the right type (by the models' JSON schemas). For custom resources only the latter exists.
 */
import * as attributes from "@kubernetes/client-node/dist/gen/models/all.js"
import * as keda from "@kubernetes-models/keda/keda.sh/v1alpha1"
import * as prometheus from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1"
import * as apps from "kubernetes-models/apps/v1"
import * as autoscaling from "kubernetes-models/autoscaling/v2"
import * as batch from "kubernetes-models/batch/v1"
import * as networking from "kubernetes-models/networking.k8s.io/v1"
import * as policy from "kubernetes-models/policy/v1"
import * as rbac from "kubernetes-models/rbac.authorization.k8s.io/v1"
import * as scheduling from "kubernetes-models/scheduling.k8s.io/v1"
import * as core from "kubernetes-models/v1"
import { type Any, idOf, type KubeObject } from "./objects.ts"

interface Attribute {
  readonly baseName: string
  readonly type: string
}
const models = attributes as unknown as Record<string, { getAttributeTypeMap?: () => ReadonlyArray<Attribute> }>

interface Validated {
  validate(): void
}
const kinds: Record<string, Record<string, new (data: Any) => Validated>> = Object.fromEntries(
  Object.entries({
    v1: core,
    "apps/v1": apps,
    "autoscaling/v2": autoscaling,
    "batch/v1": batch,
    "networking.k8s.io/v1": networking,
    "policy/v1": policy,
    "rbac.authorization.k8s.io/v1": rbac,
    "scheduling.k8s.io/v1": scheduling,
    "keda.sh/v1alpha1": keda,
    "monitoring.coreos.com/v1": prometheus
  }).map(([name, group]) => [name, group as unknown as Record<string, new (data: Any) => Validated>])
)

/** Nobody publishes a schema of these for npm: only what is common to all objects is checked. */
const withoutSchema = ["bitnami.com/v1alpha1", "external-secrets.io/v1", "postgresql.cnpg.io/v1"]

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Quantities may be written as numbers. */
const isQuantity = (path: string) => /\.(limits|requests)\.[^.]+$|\.storage$/.test(path)

const walk = (value: unknown, type: string, path: string): ReadonlyArray<string> => {
  const wrong = [`${path}: expected ${type}, not ${JSON.stringify(value)}`]
  const element = /^Array<(.+)>$/.exec(type)?.[1]
  if (element !== undefined) {
    return Array.isArray(value) ? value.flatMap((one, index) => walk(one, element, `${path}[${index}]`)) : wrong
  }
  const entry = /^\{ \[key: string\]: (.+); \}$/.exec(type)?.[1]
  if (entry !== undefined) {
    if (!isPlain(value)) return wrong
    return Object.entries(value).flatMap(([key, one]) => walk(one, entry, `${path}.${key.replaceAll(".", "_")}`))
  }
  if (type === "string")
    return typeof value === "string" || (typeof value === "number" && isQuantity(path)) ? [] : wrong
  if (type === "number" || type === "boolean") return typeof value === type ? [] : wrong
  if (type === "IntOrString") return ["string", "number"].includes(typeof value) ? [] : wrong
  const map = models[type]?.getAttributeTypeMap?.()
  if (map === undefined) return type === "any" || type === "Date" ? [] : [`${path}: nothing is known of ${type}`]
  if (!isPlain(value)) return wrong
  return Object.entries(value).flatMap(([key, one]) => {
    const attribute = map.find(({ baseName }) => baseName === key)
    return attribute === undefined
      ? [`${path}.${key}: ${type} has no such field`]
      : walk(one, attribute.type, `${path}.${key}`)
  })
}

const isOwn = (apiVersion: string) => !apiVersion.includes("/") || /^[a-z]+\/|\.k8s\.io\//.test(apiVersion)

export const schemaProblems = (object: KubeObject): ReadonlyArray<string> => {
  const { apiVersion, kind } = object
  if (withoutSchema.includes(apiVersion)) return []
  const Kind = kinds[apiVersion]?.[kind]
  if (Kind === undefined) return [`${idOf(object)}: no schema for ${kind} of ${apiVersion}`]
  const fields = isOwn(apiVersion)
    ? walk(object, `V${apiVersion.split("/").at(-1)!.slice(1)}${kind}`, idOf(object))
    : []
  try {
    new Kind(structuredClone(object)).validate()
    return fields
  } catch (error) {
    return [...fields, `${idOf(object)}: ${(error as Error).message}`]
  }
}
