/** Alerts and dashboard hold together; whether their metrics exist is asked of the real programs in test/e2e. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { stringify } from "yaml"
import { hasPromtool, promtool, withoutPromtool } from "../support/exposition.ts"
import { dashboard, documentedAlerts, queries, ruleGroups, rules } from "./support/monitoring.ts"
import { folder } from "./support/objects.ts"

const withRules = async (use: (place: string) => Promise<void> | void) => {
  const place = await mkdtemp(join(tmpdir(), "vlog-rules-"))
  try {
    await writeFile(join(place, "rules.yaml"), stringify(ruleGroups))
    await use(place)
  } finally {
    await rm(place, { recursive: true })
  }
}

describe("the alerts", () => {
  it("are rules that Prometheus takes, and fire when they should and not when they should not", async (test) => {
    test.skip(!hasPromtool, withoutPromtool)
    await withRules(async (place) => {
      assert.strictEqual(promtool(["check", "rules", join(place, "rules.yaml")]), "")
      const trials = join(place, "trials.yaml")
      await writeFile(trials, await readFile(join(folder, "monitoring/prometheusrule.test.yaml"), "utf8"))
      assert.strictEqual(promtool(["test", "rules", trials]), "")
    })
  })

  it("are each tried, and each explained", async () => {
    const trials = await readFile(join(folder, "monitoring/prometheusrule.test.yaml"), "utf8")
    const fired = [...trials.matchAll(/alertname: (\w+)\n\s+exp_alerts:\n/g)].map(([, name]) => name!)
    const names = rules.map(({ alert }) => alert)
    assert.deepStrictEqual([...new Set(fired)].toSorted(), names.toSorted())
    assert.deepStrictEqual(documentedAlerts.toSorted(), names.toSorted())
  })
})

describe("the dashboard", () => {
  it("takes its data from a source that is chosen", () => {
    assert.isAtLeast(dashboard.schemaVersion, 39)
    assert.deepInclude(dashboard.templating.list[0], { name: "datasource", type: "datasource" })
    for (const panel of dashboard.panels.filter(({ type }) => type !== "row")) {
      const sources = [panel.datasource, ...panel.targets!.map(({ datasource }) => datasource)]
      for (const source of sources) assert.deepEqual(source, { type: "prometheus", uid: "${datasource}" }, panel.title)
    }
  })

  it("asks what Prometheus understands", async (test) => {
    test.skip(!hasPromtool, withoutPromtool)
    await withRules(async (place) => {
      const asRules = queries.map((query, index) => ({
        record: `panel:${index}`,
        expr: query.replaceAll("$__rate_interval", "5m")
      }))
      const file = join(place, "panels.yaml")
      await writeFile(file, stringify({ groups: [{ name: "panels", rules: asRules }] }))
      assert.strictEqual(promtool(["check", "rules", file]), "")
    })
  })
})
