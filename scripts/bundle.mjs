// Makes `dist`: the programs of a container image as one file each, with what they read beside them. Nothing of
// node_modules is needed to run them. The embedded PostgreSQL is not in there: a cluster has one of its own.
//
//   node scripts/bundle.mjs [folder [program ...]]
import { copyFile, cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { createRequire, isBuiltin } from "node:module"
import { dirname, join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const root = fileURLToPath(new URL("..", import.meta.url))
const dist = resolve(process.argv[2] ?? join(root, "dist"))
const require = createRequire(import.meta.url)

/** `start` is for one machine and starts the others from their sources. */
const all = ["api", "worker", "cleanup", "backup", "vlog"]
const programs = process.argv.length > 3 ? process.argv.slice(3) : all

/** `node_modules/a/node_modules/@b/c/x.js` belongs to the package in `node_modules/a/node_modules/@b/c`. */
const packageOf = (file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]

/** What the licences of the bundled packages ask for: to go along with the code. */
const licences = async (inputs) => {
  const folders = [...new Set(inputs.map(packageOf).filter((folder) => folder !== undefined))].toSorted()
  const texts = []
  for (const folder of folders) {
    const { name, version, license } = JSON.parse(await readFile(join(root, folder, "package.json"), "utf8"))
    const file = (await readdir(join(root, folder))).find((entry) => /^(licen[cs]e|copying)/i.test(entry))
    const text = file === undefined ? "" : (await readFile(join(root, folder, file), "utf8")).trim()
    texts.push(`${name} ${version} (${license})\n\n${text}`)
  }
  return texts.join(`\n\n${"-".repeat(80)}\n\n`)
}

const shaka = dirname(require.resolve("shaka-player/package.json"))

await rm(dist, { recursive: true, force: true })
await mkdir(dist, { recursive: true })
/**
 * Half a megabyte of code that nobody here runs and each program would read at its start: the HTTP server brings a
 * library for WebSocket, and the client a second implementation of itself, loaded only by whoever asks for it.
 */
const absent = {
  ws: "export class WebSocket {}\nexport class WebSocketServer {}\nexport default WebSocket",
  undici: 'throw new Error("undici is not part of the bundles: use NodeHttpClient.layerNodeHttp")\nexport default {}'
}
const withoutUnused = {
  name: "without-unused",
  setup: ({ onLoad, onResolve }) => {
    onResolve({ filter: /^(ws|undici)$/ }, ({ path }) => ({ path, namespace: "absent" }))
    onLoad({ filter: /.*/, namespace: "absent" }, ({ path }) => ({ contents: absent[path] }))
  }
}

/**
 * Node's own `fetch` takes memory as soon as anybody asks for it, which a worker never does: but an `import` of `node:http`
 * reads all of its exports, and the generated client asks of each payload whether it is a form. Of other modules an
 * `import` reads too much as well, though less.
 */
const withoutFetch = {
  name: "without-fetch",
  setup: ({ onLoad, onResolve }) => {
    onResolve({ filter: /./ }, ({ path }) => (isBuiltin(path) ? { path, namespace: "unread" } : null))
    onLoad({ filter: /.*/, namespace: "unread" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule("${path}")`
    }))
    onLoad({ filter: /[/\\]http-api[/\\]HttpApiClient\.js$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8")
      const question = "request.payload instanceof FormData"
      if (!text.includes(question)) throw new Error(`${path} does not ask "${question}" any more: see who does`)
      return {
        contents: text.replaceAll(question, 'request.payload?.[Symbol.toStringTag] === "FormData"'),
        loader: "js"
      }
    })
  }
}

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: programs.map((name) => `src/programs/${name}.ts`),
  outdir: dist,
  bundle: true,
  plugins: [withoutUnused, withoutFetch],
  // Half the text to read at the start. Names stay, for stack traces.
  minifySyntax: true,
  minifyWhitespace: true,
  platform: "node",
  target: "node24",
  format: "esm",
  sourcemap: true,
  // The bundle is read by people only as a stack trace, and those go by the map.
  sourcesContent: false,
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
  // Packages of the older module format call `require` for Node's own modules.
  banner: {
    js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);'
  }
})

await cp(join(root, "src/adapters/postgres/migrations"), join(dist, "migrations"), { recursive: true })
await cp(join(root, "src/adapters/web/assets"), join(dist, "assets"), { recursive: true })
await copyFile(join(root, "scripts/run.mjs"), join(dist, "run.js"))
const player = join(dist, "node_modules/shaka-player")
await mkdir(join(player, "dist"), { recursive: true })
for (const file of ["package.json", "dist/shaka-player.ui-es2021.js", "dist/controls.modern.css"]) {
  await copyFile(join(shaka, file), join(player, file))
}
// Node takes a .js file for CommonJS where no package.json says otherwise.
await writeFile(join(dist, "package.json"), `${JSON.stringify({ type: "module", private: true })}\n`)
await writeFile(
  join(dist, "LICENSES.txt"),
  `${await licences([...Object.keys(metafile.inputs), "node_modules/shaka-player/package.json"])}\n`
)
console.log(`${programs.map((name) => `${name}.js`).join(", ")} in ${dist}`)
