/** The documents lead to each other by file and heading. */
import { glob, readFile, stat } from "node:fs/promises"
import { dirname, join, normalize } from "node:path"
import { assert, it } from "vitest"

const documents = await Array.fromAsync(glob(["*.md", "docs/*.md", "k8s/**/*.md"]))

const textOf = (path: string) => readFile(path, "utf8")

/** As GitHub names a heading: its words in small letters, with hyphens between. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{Letter}\p{Number}_\- ]/gu, "")
    .replaceAll(" ", "-")

const anchorsOf = async (path: string) =>
  [...(await textOf(path)).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => anchorOf(heading))

const linksOf = async (path: string) =>
  [...(await textOf(path)).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)].map(([, to = "", anchor]) => ({
    to: to === "" ? path : normalize(join(dirname(path), to)),
    anchor
  }))

it.each(documents)("the links of %s lead somewhere", async (path) => {
  for (const { anchor, to } of await linksOf(path)) {
    assert.isTrue(
      await stat(to).then(
        () => true,
        () => false
      ),
      to
    )
    if (anchor !== undefined) assert.include(await anchorsOf(to), anchor, to)
  }
})
