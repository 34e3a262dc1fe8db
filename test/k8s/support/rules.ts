/** Everything that is asked of manifests which are applied together. */
import { codeProblems } from "./codeRules.ts"
import { type KubeObject, workloads } from "./objects.ts"
import { podProblems } from "./podRules.ts"
import { schemaProblems } from "./schema.ts"
import { objectProblems, setProblems } from "./setRules.ts"

/** What can be said of each by itself. */
export const alone = (objects: ReadonlyArray<KubeObject>): ReadonlyArray<string> => [
  ...objects.flatMap(schemaProblems),
  ...objects.flatMap(objectProblems),
  ...workloads(objects).flatMap(podProblems)
]

export const together = (objects: ReadonlyArray<KubeObject>): ReadonlyArray<string> => [
  ...alone(objects),
  ...setProblems(objects),
  ...codeProblems(objects)
]
