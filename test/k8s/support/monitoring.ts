/** Alerts, dashboard and the document that explains them: what each names. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { repository } from "../../support/programs.ts"
import { folder, readObjects } from "./objects.ts"

interface Rule {
  readonly alert: string
  readonly expr: string
}

/** What Prometheus itself reads of the PrometheusRule. */
export const ruleGroups = readObjects("monitoring/prometheusrule.yaml")[0]!["spec"] as {
  readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<Rule> }>
}
export const rules = ruleGroups.groups.flatMap((group) => group.rules)

interface Panel {
  readonly type: string
  readonly title: string
  readonly datasource?: unknown
  readonly targets?: ReadonlyArray<{ readonly expr: string; readonly datasource: unknown }>
}

export const dashboard = JSON.parse(readFileSync(join(folder, "monitoring/dashboard.json"), "utf8")) as {
  readonly schemaVersion: number
  readonly templating: { readonly list: ReadonlyArray<{ readonly name: string; readonly type: string }> }
  readonly panels: ReadonlyArray<Panel>
}

export const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

const document = readFileSync(join(repository, "docs/MONITORING.md"), "utf8")

/** First column of the tables below a heading. */
const named = (heading: string, pattern: RegExp): ReadonlyArray<string> => {
  const from = document.indexOf(`\n## ${heading}\n`)
  const section = document.slice(from, document.indexOf("\n## ", from + 4))
  return [...section.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(pattern)].map(([, name]) => name!)
  )
}

export const documentedMetrics = named("Metrics", /`((?:vlog|process)_\w+)`/g)
export const documentedAlerts = named("Alerts", /`(\w+)`/g)

/** Metrics of ours in a query: those of kube-state-metrics are not. */
export const metricsIn = (query: string): ReadonlyArray<string> =>
  [...query.replace(/"[^"]*"/g, "").matchAll(/\b(?:vlog|process)_\w+/g)].map(([name]) => name)
